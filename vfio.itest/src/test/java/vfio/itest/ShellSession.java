package vfio.itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.InputStream;
import java.io.OutputStream;
import java.util.List;
import org.apache.felix.service.command.CommandProcessor;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Converter;

/** A shell without a terminal. */
final class ShellSession implements AutoCloseable {
    private final CommandSession session;

    ShellSession(CommandProcessor processor) {
        session = processor.createSession(
                InputStream.nullInputStream(), OutputStream.nullOutputStream(), OutputStream.nullOutputStream());
    }

    /** The result of a command. */
    Object execute(String command) {
        try {
            return session.execute(command);
        } catch (Exception e) {
            throw new AssertionError(command + " failed", e);
        }
    }

    /** What the shell shows of a command's result. */
    String run(String command) {
        return String.valueOf(session.format(execute(command), Converter.INSPECT));
    }

    List<String> lines(String command) {
        return run(command).lines().toList();
    }

    /** The sentence with which a command fails. */
    String error(String command) {
        Throwable thrown = catchThrowable(() -> session.execute(command));
        assertThat(thrown).as(command).isNotNull();
        return String.valueOf(thrown.getMessage());
    }

    @Override
    public void close() {
        session.close();
    }
}
