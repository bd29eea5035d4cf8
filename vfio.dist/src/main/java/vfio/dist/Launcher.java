package vfio.dist;

import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.apache.felix.framework.FrameworkFactory;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.startlevel.FrameworkStartLevel;

/** Starts the runtime, says when it is ready, and stays until it stops. */
final class Launcher {
    private static final System.Logger LOG = System.getLogger(Launcher.class.getName());
    private static final Duration READY_LIMIT = Duration.ofSeconds(30);

    private final Options options;
    private final Layout layout;
    private final StandardInput input;
    private final PrintStream out;
    private final StartFailures failures = new StartFailures();

    Launcher(Options options, Layout layout, StandardInput input, PrintStream out) {
        this.options = options;
        this.layout = layout;
        this.input = options.headless() ? StandardInput.NONE : input;
        this.out = out;
    }

    /**
     * Runs until somebody stops the framework.
     *
     * @throws LaunchException if it does not become ready
     */
    void run() throws LaunchException {
        BundleFolder bundles = new BundleFolder(layout.bundles());
        SocketDirectory sockets = SocketDirectory.prepare(options.socketDirectory());
        try (InstanceLock lock = InstanceLock.take(sockets.path())) {
            layout.prepare(sockets);
            System.setProperty("vfio.log.dir", layout.log().toString());
            // The framework's threads inherit it. Without one, libraries (JLine for one) look into their own bundle.
            Thread.currentThread().setContextClassLoader(null);
            if (input == StandardInput.COMMANDS) {
                System.setProperty("org.jline.terminal.dumb", "true");
            }
            Framework framework = new FrameworkFactory().newFramework(FrameworkSettings.of(layout, sockets, input));
            Shutdown shutdown = Shutdown.guard(framework, layout, sockets);
            try {
                start(framework, bundles);
                shutdown.awaitStop();
            } catch (LaunchException | RuntimeException e) {
                if (!shutdown.underWay()) {
                    shutdown.report(e instanceof LaunchException failure ? failure.status() : ExitStatus.INTERNAL);
                    throw e;
                }
                LOG.log(System.Logger.Level.DEBUG, "stopped while starting, by a signal or by a bundle", e);
                shutdown.awaitStop();
            }
        }
    }

    private void start(Framework framework, BundleFolder bundles) throws LaunchException {
        List<Bundle> expected;
        try {
            framework.init();
            framework.getBundleContext().addFrameworkListener(failures);
            expected = bundles.install(framework.getBundleContext());
            framework.start();
        } catch (BundleException e) {
            throw new LaunchException(
                    ExitStatus.CONFIGURATION,
                    "the framework does not start in " + layout.var() + ": " + e.getMessage());
        }
        if (!Diagnosis.inactive(expected).isEmpty()) {
            throw notReady("bundles of the distribution do not start", expected);
        }
        Optional<String> report = new ReadyReport(framework.getBundleContext()).await(READY_LIMIT);
        out.println(report.orElseThrow(
                        () -> notReady("the runtime was not ready after " + READY_LIMIT.toSeconds() + " s", expected))
                .stripTrailing());
        out.flush();
        if (input != StandardInput.NONE) {
            framework.adapt(FrameworkStartLevel.class).setStartLevel(BundleFolder.SHELL_LEVEL);
        }
    }

    private LaunchException notReady(String sentence, List<Bundle> expected) {
        StringBuilder message = new StringBuilder(sentence);
        Diagnosis.of(expected, failures)
                .forEach(finding -> message.append("\n  ").append(finding));
        message.append("\nThe log is in ").append(layout.log());
        return new LaunchException(ExitStatus.CONFIGURATION, message.toString());
    }
}
