/* The ends of a TCP flow, see tcp.c. @returns an exit status */
int tcp_end(int argc, char **argv);
