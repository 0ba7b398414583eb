/*
 * Takes what has come on stdin and calls `command` with each whole line, without its end. Ends this program at the end of stdin, where `command`
 * is not 0, and with a line of 4 KiB.
 */
void take_lines(int (*command)(char *line));
