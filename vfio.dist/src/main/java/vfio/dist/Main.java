package vfio.dist;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The program. */
public final class Main {
    private static final String PROGRAM = "vfio-mediate";

    private Main() {}

    /**
     * Starts the runtime, or runs a command in one that is there already.
     *
     * @param arguments the command line; {@code --help} explains it
     */
    public static void main(String[] arguments) {
        System.exit(run(List.of(arguments)));
    }

    private static int run(List<String> arguments) {
        try {
            Options options = Options.parse(arguments, System.getenv());
            return switch (options.action()) {
                case HELP -> print(Help.text(System.getProperty("vfio.dist.program", PROGRAM)));
                case VERSION -> print(PROGRAM + " " + version() + System.lineSeparator());
                case EXEC -> new AdminClient(options.socketDirectory()).run(options.command(), System.out, System.err);
                case RUN -> launch(options);
            };
        } catch (LaunchException e) {
            System.err.println(PROGRAM + ": " + e.getMessage());
            return e.status().code();
        } catch (RuntimeException e) {
            System.err.println(PROGRAM + ": a fault of the program, please report it");
            e.printStackTrace();
            return ExitStatus.INTERNAL.code();
        }
    }

    private static int launch(Options options) throws LaunchException {
        Layout layout = Layout.of(home(), options.etc(), System.getenv("VFIO_MEDIATE_VAR"));
        StandardInput input = StandardInput.of(System.getProperty(StandardInput.PROPERTY, ""));
        new Launcher(options, layout, input, System.out).run();
        return ExitStatus.OK.code();
    }

    private static Path home() throws LaunchException {
        String home = System.getProperty("vfio.dist.home");
        if (home == null) {
            throw new LaunchException(ExitStatus.USAGE, "start this program with the script bin/vfio-mediate");
        }
        return Path.of(home).toAbsolutePath().normalize();
    }

    private static int print(String text) {
        System.out.print(text);
        System.out.flush();
        return ExitStatus.OK.code();
    }

    private static String version() {
        @Nullable String version = Main.class.getPackage().getImplementationVersion();
        return version == null ? "(development)" : version;
    }
}
