package vfio.itest.guest;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A program that is run to its end. */
final class Command {
    /**
     * How it ended.
     *
     * @param status exit status
     * @param output what it wrote to standard output
     * @param messages what it wrote to standard error
     */
    record Result(int status, String output, String messages) {
        List<String> lines() {
            return output.lines().toList();
        }
    }

    private Command() {}

    /**
     * Runs a program with nothing on its standard input.
     *
     * @param limit after that much time it is killed and this fails
     */
    static Result run(Duration limit, List<String> command) {
        try {
            Path output = Files.createTempFile("command", ".out");
            Path messages = Files.createTempFile("command", ".err");
            try {
                Process process = new ProcessBuilder(command)
                        .redirectInput(ProcessBuilder.Redirect.from(
                                Path.of("/dev/null").toFile()))
                        .redirectOutput(output.toFile())
                        .redirectError(messages.toFile())
                        .start();
                if (!endsWithin(limit, process)) {
                    process.destroyForcibly();
                    throw new AssertionError(command + " did not end within " + limit.toSeconds() + " s; it said:\n"
                            + Files.readString(output) + Files.readString(messages));
                }
                return new Result(process.exitValue(), Files.readString(output), Files.readString(messages));
            } finally {
                Files.delete(output);
                Files.delete(messages);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Runs a program that must succeed. */
    static Result succeed(Duration limit, List<String> command) {
        Result result = run(limit, command);
        if (result.status != 0) {
            throw new AssertionError(
                    command + " ended with " + result.status + ":\n" + result.output + result.messages);
        }
        return result;
    }

    /** Waits for the end of a process. */
    static boolean endsWithin(Duration limit, Process process) {
        try {
            return process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting for process " + process.pid(), e);
        }
    }
}
