"""What people see: tables, figures, macros, one page, and the folder that holds a run."""
