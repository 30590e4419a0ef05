"""What may be added to any loss, one file per penalty or kind; being in this folder is enough."""
