package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;

/**
 * The distribution, started as its users start it, with a socket folder, logs and caches of its own. Its output and its log
 * stay below {@code target/runtime} after the test.
 */
final class RuntimeProcess implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(60);
    private static final Duration SHELL_COMMAND = Duration.ofSeconds(30);
    private static final Duration KILL = Duration.ofSeconds(10);

    private final Process process;
    private final Path launcher;
    private final Path sockets;
    private final Path folder;

    /**
     * How the runtime ended on SIGTERM.
     *
     * @param status exit status
     * @param took how long that took
     */
    record End(int status, Duration took) {}

    private RuntimeProcess(Process process, Path launcher, Path sockets, Path folder) {
        this.process = process;
        this.launcher = launcher;
        this.sockets = sockets;
        this.folder = folder;
    }

    /**
     * Starts the distribution and waits until it says that it is ready.
     *
     * @param name of the folder that keeps output and log
     */
    static RuntimeProcess start(String name) {
        return start(name, null);
    }

    /**
     * Starts the distribution with another configuration and waits until it says that it is ready.
     *
     * @param etc folder of the configuration; null for the distribution's own
     */
    static RuntimeProcess start(String name, @Nullable Path etc) {
        return start(name, etc, Places.launcher());
    }

    /**
     * Starts a distribution and waits until it says that it is ready.
     *
     * @param etc folder of the configuration; null for the distribution's own
     * @param launcher the start script
     */
    static RuntimeProcess start(String name, @Nullable Path etc, Path launcher) {
        try {
            Path folder = Places.emptyFolder("runtime", name);
            Path sockets = Files.createTempDirectory("vfio");
            List<String> command =
                    new ArrayList<>(List.of(launcher.toString(), "--headless", "--socket-dir", sockets.toString()));
            if (etc != null) {
                command.addAll(List.of("--etc", etc.toString()));
            }
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("output.txt").toFile());
            builder.environment().put("VFIO_MEDIATE_VAR", folder.resolve("var").toString());
            RuntimeProcess runtime = new RuntimeProcess(builder.start(), launcher, sockets, folder);
            boolean ready = false;
            try {
                runtime.awaitReady();
                ready = true;
                return runtime;
            } finally {
                if (!ready) {
                    runtime.close();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean isAlive() {
        return process.isAlive();
    }

    long pid() {
        return process.pid();
    }

    /** The socket of a device. */
    Path socket(String address) {
        return sockets.resolve(address + ".sock");
    }

    /** What it wrote to standard output and standard error. */
    String output() {
        return read(folder.resolve("output.txt"));
    }

    String log() {
        return read(folder.resolve("var/log/vfio-mediate.log"));
    }

    /** The errors in its log, one line each. */
    List<String> errors() {
        return log().lines().filter(line -> line.contains(" ERROR ")).toList();
    }

    /** Names of the sockets that are there. */
    List<String> socketNames() {
        try (Stream<Path> files = Files.list(sockets)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".sock"))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Runs a shell command with {@code bin/vfio-mediate exec}. */
    Command.Result tryExec(String command) {
        return Command.run(
                SHELL_COMMAND, List.of(launcher.toString(), "exec", command, "--socket-dir", sockets.toString()));
    }

    /** Runs a shell command that must succeed; returns what it printed. */
    String exec(String command) {
        Command.Result result = tryExec(command);
        assertThat(result.status()).as("%s: %s", command, result).isZero();
        return result.output();
    }

    /** Runs a shell command, as {@link #exec} does, but over the socket itself. */
    String ask(String command) {
        return AdminSocket.run(sockets.resolve("admin.sock"), command);
    }

    /** One field of what {@code vfio:devices DEVICE} shows; empty if it is not shown. */
    Optional<String> field(String address, String name) {
        return ask("vfio:devices " + address)
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .map(line -> line.substring(name.length()).trim())
                .findFirst();
    }

    /** Who has a device open. */
    String user(String address) {
        return field(address, "user").orElseThrow();
    }

    /** What the mediation of an open device counts, by name. */
    Map<String, Long> counters(String address) {
        Map<String, Long> counters = new TreeMap<>();
        String text = field(address, "counters").orElseThrow(() -> new AssertionError(address + " is not open"));
        for (String counter : text.split(" ", -1)) {
            int equals = counter.indexOf('=');
            counters.put(counter.substring(0, equals), Long.valueOf(counter.substring(equals + 1)));
        }
        return counters;
    }

    /** Does something while the whole runtime stands still, so that nothing it would have to answer can succeed. */
    void whileSuspended(Runnable work) {
        signal("STOP");
        try {
            work.run();
        } finally {
            signal("CONT");
        }
    }

    /** Sends SIGTERM and waits for the end. */
    End terminate(Duration limit) {
        long start = System.nanoTime();
        process.destroy();
        assertThat(Command.endsWithin(limit, process))
                .as("the runtime ended within %s of SIGTERM; %s", limit, output())
                .isTrue();
        return new End(process.exitValue(), Duration.ofNanos(System.nanoTime() - start));
    }

    /** Kills it if it still runs, and removes the socket folder. Idempotent. */
    @Override
    public void close() {
        process.destroyForcibly();
        Command.endsWithin(KILL, process);
        Places.remove(sockets);
    }

    @Override
    public String toString() {
        return "runtime " + pid() + "\n" + output() + log();
    }

    private void awaitReady() {
        Awaitility.await("ready line of the runtime")
                .pollInterval(Duration.ofMillis(20))
                .atMost(START)
                .until(() -> !process.isAlive() || output().lines().anyMatch(line -> line.startsWith("ready: ")));
        assertThat(process.isAlive())
                .as("the runtime runs; it said: %s", output())
                .isTrue();
    }

    private void signal(String name) {
        Command.succeed(KILL, List.of("kill", "-" + name, Long.toString(pid())));
    }

    private static String read(Path file) {
        try {
            return Files.exists(file) ? Files.readString(file) : "";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
