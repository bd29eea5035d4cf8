package vfio.dist;

/** The text of {@code --help}. */
final class Help {
    private static final String USAGE = """
            Usage: %1$s [--headless] [--socket-dir DIR] [--etc DIR]
                   %1$s exec 'COMMAND' [--socket-dir DIR]
                   %1$s --help | --version

            Mediates PCI devices between virtual machines and hardware: one vfio-user socket for
            each device. Prints the devices with the QEMU arguments for each, then one line
            'ready: N devices, M mediate drivers, K more on demand', and then

              * at a terminal: starts the shell. 'exit' or Ctrl-D stops the runtime;
              * with commands on standard input (a pipe or a file): runs them, and stops at
                the end of the input;
              * otherwise, or with --headless: runs until SIGTERM or SIGINT.

            exec runs one shell command in the runtime that already uses the folder.

            Options:
              --socket-dir DIR  folder of the sockets, created with mode 0700 if missing
                                (default: $XDG_RUNTIME_DIR/vfio-mediate, else /run/vfio-mediate)
              --etc DIR         folder of the configuration in place of the distribution's etc/:
                                each *.json of it; config.properties and logback.xml may be left out
              --headless        no shell
              --help            this text
              --version         the version

            Environment:
              JAVA_HOME         the Java to use, 17 or later (default: the java on the PATH)
              VFIO_MEDIATE_VAR  folder for logs and caches (default: the distribution's var/)
              JAVA_OPTS         further options for the Java of the runtime

            Exit status:
            """;

    private Help() {}

    static String text(String program) {
        StringBuilder text = new StringBuilder(USAGE.formatted(program));
        for (ExitStatus status : ExitStatus.values()) {
            text.append(String.format("  %2d  %s%n", status.code(), status.meaning()));
        }
        return text.toString();
    }
}
