"""`python -m adapt`: the command line."""

from adapt.cli.main import main

if __name__ == "__main__":
    main()
