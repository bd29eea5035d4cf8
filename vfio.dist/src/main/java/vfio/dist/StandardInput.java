package vfio.dist;

/** What standard input is good for. The start script knows; not every Java can tell a terminal from a pipe. */
enum StandardInput {
    /** Somebody types. */
    TERMINAL,
    /** Commands come from a pipe or a file. */
    COMMANDS,
    /** Nothing to read: no shell. */
    NONE;

    static final String PROPERTY = "vfio.dist.input";

    static StandardInput of(String value) {
        return switch (value) {
            case "terminal" -> TERMINAL;
            case "commands" -> COMMANDS;
            default -> NONE;
        };
    }
}
