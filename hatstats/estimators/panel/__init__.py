"""`panel`: profiles on the hardness of items that a panel of models agrees on."""
