/* Text made from the option table: help, manual page, shell completion. */
#pragma once

/* The options of "run", 40 lines at most. */
void help_run(void);
/* elara(1) in man(7) macros. */
void help_man(void);
/* A completion script for bash. */
void help_completion(void);
