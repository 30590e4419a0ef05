"""`python -m adapt`: the command line."""

from adapt.cli.app import main

if __name__ == "__main__":
    main()
