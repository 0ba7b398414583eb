/* A stream of junk datagrams, see junk.c. @returns an exit status */
int junk(int argc, char **argv);
