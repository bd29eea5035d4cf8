package vfio.dist;

/** What the program tells its caller when it ends. Numbers from 64 on are those of {@code sysexits.h}. */
enum ExitStatus {
    OK(0, "stopped cleanly: by a signal, by the shell, or at the end of standard input"),
    FAILED(1, "exec: the command failed"),
    USAGE(64, "the command line is wrong"),
    UNAVAILABLE(69, "exec: no runtime in that folder; start script: no suitable Java"),
    INTERNAL(70, "a fault of the program, or it had to be ended by force"),
    CANNOT_CREATE(73, "a folder or file could not be created"),
    ALREADY_RUNNING(75, "another instance uses the same folder"),
    CONFIGURATION(78, "the configuration or the set of bundles is wrong");

    private final int code;
    private final String meaning;

    ExitStatus(int code, String meaning) {
        this.code = code;
        this.meaning = meaning;
    }

    int code() {
        return code;
    }

    String meaning() {
        return meaning;
    }
}
