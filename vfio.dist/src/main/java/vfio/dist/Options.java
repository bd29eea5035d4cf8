package vfio.dist;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The command line, decoded.
 *
 * @param action what to do
 * @param headless no shell, whatever standard input is
 * @param socketDirectory folder of the sockets, absolute
 * @param etc folder of the configuration, absolute; null for that of the distribution
 * @param command the shell command of {@link Action#EXEC}, otherwise empty
 */
record Options(
        Action action,
        boolean headless,
        Path socketDirectory,
        @Nullable Path etc,
        String command) {

    /** What the program is asked to do. */
    enum Action {
        RUN,
        EXEC,
        HELP,
        VERSION
    }

    /**
     * Decodes a command line.
     *
     * @param environment for the default of the socket folder
     * @throws LaunchException with {@link ExitStatus#USAGE}
     */
    static Options parse(List<String> arguments, Map<String, String> environment) throws LaunchException {
        return new Parser(arguments, environment).parse();
    }

    private static final class Parser {
        private final Deque<String> rest;
        private final List<String> command = new ArrayList<>();
        private Action action = Action.RUN;
        private boolean headless;
        private Path socketDirectory;
        private @Nullable Path etc;

        Parser(List<String> arguments, Map<String, String> environment) {
            rest = new ArrayDeque<>(arguments);
            socketDirectory = defaultSocketDirectory(environment);
        }

        Options parse() throws LaunchException {
            if ("exec".equals(rest.peek())) {
                rest.remove();
                action = Action.EXEC;
            }
            boolean optionsEnded = false;
            while (!rest.isEmpty()) {
                String argument = rest.remove();
                if (!optionsEnded && argument.equals("--")) {
                    optionsEnded = true;
                } else if (!optionsEnded && argument.startsWith("-") && argument.length() > 1) {
                    option(argument);
                } else if (action == Action.EXEC) {
                    command.add(argument);
                } else {
                    throw wrong("unexpected argument '" + argument + "'");
                }
            }
            if (action == Action.EXEC && String.join("", command).isBlank()) {
                throw wrong("exec needs a command, as in: exec 'vfio:devices'");
            }
            return new Options(action, headless, socketDirectory, etc, String.join(" ", command));
        }

        private void option(String argument) throws LaunchException {
            int equals = argument.indexOf('=');
            String name = equals < 0 ? argument : argument.substring(0, equals);
            String value = equals < 0 ? null : argument.substring(equals + 1);
            switch (name) {
                case "--socket-dir" -> socketDirectory = folder(name, value);
                case "--etc" -> {
                    refuseForExec(name);
                    etc = folder(name, value);
                }
                case "--headless" -> {
                    refuseForExec(name);
                    refuseValue(name, value);
                    headless = true;
                }
                case "--help", "-h" -> {
                    refuseValue(name, value);
                    action = Action.HELP;
                }
                case "--version" -> {
                    refuseValue(name, value);
                    action = Action.VERSION;
                }
                default -> throw wrong("unknown option '" + name + "'");
            }
        }

        private void refuseForExec(String name) throws LaunchException {
            if (action == Action.EXEC) {
                throw wrong("'" + name + "' has no meaning for exec");
            }
        }

        private static void refuseValue(String name, @Nullable String value) throws LaunchException {
            if (value != null) {
                throw wrong("'" + name + "' takes no value");
            }
        }

        private Path folder(String name, @Nullable String given) throws LaunchException {
            String value = given != null ? given : rest.poll();
            if (value == null || value.isEmpty()) {
                throw wrong("'" + name + "' needs a folder");
            }
            try {
                return Path.of(value).toAbsolutePath().normalize();
            } catch (InvalidPathException e) {
                throw wrong("'" + name + "' needs a folder, not '" + value + "': " + e.getReason());
            }
        }

        private static Path defaultSocketDirectory(Map<String, String> environment) {
            String runtime = environment.getOrDefault("XDG_RUNTIME_DIR", "");
            return Path.of(runtime.isEmpty() ? "/run" : runtime, "vfio-mediate").toAbsolutePath();
        }

        private static LaunchException wrong(String sentence) {
            return new LaunchException(ExitStatus.USAGE, sentence + "; --help shows what is possible");
        }
    }
}
