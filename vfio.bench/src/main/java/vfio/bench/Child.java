package vfio.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A process that serves until it is closed, and says on standard output when it is ready. */
final class Child implements AutoCloseable {
    private static final long GOODBYE_SECONDS = 10;

    private final Process process;
    private final String readyLine;

    private Child(Process process, String readyLine) {
        this.process = process;
        this.readyLine = readyLine;
    }

    /**
     * Starts a program and waits until it is ready.
     *
     * @param command program and arguments
     * @param environment variables in addition to ours
     * @param ready how the line begins that says so
     */
    static Child start(List<String> command, Map<String, String> environment, String ready) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().putAll(environment);
        Process process = builder.start();
        String line = lineThatBeginsWith(ready, process);
        if (line == null) {
            end(process);
            throw new IllegalStateException(
                    command.get(0) + " ended with " + process.exitValue() + " before it said '" + ready + "'");
        }
        return new Child(process, line);
    }

    /** Starts a class of this module in a JVM with our options, as a peer. */
    static Child java(Settings settings, Class<?> main, String ready, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        return start(settings.asPeer(command), Map.of(), ready);
    }

    long pid() {
        return process.pid();
    }

    /** The whole line that says it is ready. */
    String readyLine() {
        return readyLine;
    }

    /** Asks it to end, and ends it if it does not. */
    @Override
    public void close() {
        end(process);
    }

    private static void end(Process process) {
        process.destroy();
        try {
            if (!process.waitFor(GOODBYE_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }

    private static @Nullable String lineThatBeginsWith(String ready, Process process) throws IOException {
        BufferedReader out =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = out.readLine();
        while (line != null && !line.startsWith(ready)) {
            line = out.readLine();
        }
        return line;
    }
}
