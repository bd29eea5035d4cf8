package vfio.shell;

import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.felix.service.command.CommandProcessor;
import org.apache.felix.service.command.CommandSession;
import org.apache.felix.service.command.Converter;
import org.apache.felix.service.command.Job;

/**
 * One command: read to the end of the client's stream, executed in a session of its own, answered in frames. Owns the
 * channel. Interrupting its thread ends it.
 */
final class AdminConnection implements Runnable {
    private static final Logger LOG = System.getLogger(AdminConnection.class.getName());

    private static final String SCOPE = "vfio:felix:gogo:*";

    /** A colour map without colours: what reads the answer is no terminal, though Gogo takes it for one. */
    private static final String NO_COLORS = "rs=";

    private static final int EXCESS_AT_ONCE = 4096;

    private final SocketChannel channel;
    private final CommandProcessor processor;
    private final AdminServer.Limits limits;

    AdminConnection(SocketChannel channel, CommandProcessor processor, AdminServer.Limits limits) {
        this.channel = channel;
        this.processor = processor;
        this.limits = limits;
    }

    @Override
    public void run() {
        try (channel) {
            FrameWriter answer = new FrameWriter(channel);
            try {
                execute(request(), answer);
            } catch (CommandException refused) {
                fail(answer, refused.toString());
            } catch (IllegalStateException stopped) {
                fail(answer, "the shell is stopping");
            }
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "an administration connection was lost", e);
        }
    }

    /** Answers with an error, without reading the command, and closes the connection. Does not wait for the client. */
    void refuse(String sentence) throws IOException {
        try (channel) {
            channel.configureBlocking(false);
            fail(new FrameWriter(channel), sentence);
        }
    }

    private void execute(String command, FrameWriter answer) throws IOException {
        AtomicBoolean succeeded = new AtomicBoolean(true);
        try (CommandSession session = processor.createSession(
                InputStream.nullInputStream(), answer.stream(FrameWriter.OUTPUT), answer.stream(FrameWriter.ERROR))) {
            session.put("SCOPE", SCOPE);
            session.put("GREP_COLORS", NO_COLORS);
            session.put("LS_COLORS", NO_COLORS);
            session.setJobListener((job, previous, current) -> {
                if (current == Job.Status.Done && job.parent() == null && job.result() != null) {
                    succeeded.set(job.result().isSuccess());
                }
            });
            try {
                answer.print(FrameWriter.OUTPUT, result(session, command));
                answer.exit(succeeded.get());
            } catch (CommandException failed) {
                fail(answer, failed.toString());
            }
        }
    }

    /** What an interactive shell would print of the result. */
    private static String result(CommandSession session, String command) {
        try {
            Object result = session.execute(command);
            String text = result == null
                    ? ""
                    : session.format(result, Converter.INSPECT).toString();
            return text.isEmpty() || text.endsWith("\n") ? text : text + "\n";
        } catch (CommandException e) {
            throw e;
        } catch (InterruptedException e) {
            throw new CommandException("the command was interrupted");
        } catch (Exception e) {
            LOG.log(Level.DEBUG, "an administration command failed", e);
            throw new CommandException(
                    e.getClass().getSimpleName() + (e.getMessage() == null ? "" : ": " + e.getMessage()));
        }
    }

    private static void fail(FrameWriter answer, String sentence) throws IOException {
        answer.print(FrameWriter.ERROR, sentence + "\n");
        answer.exit(false);
    }

    /** Reads what the client sends. What is too much is read too, but not kept: the client shall see the answer. */
    private String request() throws IOException {
        ByteBuffer request = ByteBuffer.allocate(limits.requestBytes());
        ByteBuffer excess = ByteBuffer.allocate(EXCESS_AT_ONCE);
        boolean tooLong = false;
        long deadline = System.nanoTime() + limits.requestTime().toNanos();
        channel.configureBlocking(false);
        try (Selector selector = Selector.open()) {
            channel.register(selector, SelectionKey.OP_READ);
            int read = 0;
            while (read >= 0) {
                boolean full = !request.hasRemaining();
                read = channel.read(full ? excess.clear() : request);
                tooLong |= full && read > 0;
                long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
                if (left <= 0 || Thread.currentThread().isInterrupted()) {
                    throw new CommandException(
                            "the command did not arrive in time: send it and shut the stream's output down");
                }
                if (read == 0) {
                    selector.select(left);
                    selector.selectedKeys().clear();
                }
            }
        }
        channel.configureBlocking(true);
        if (tooLong) {
            throw new CommandException("the command is longer than " + limits.requestBytes() + " bytes");
        }
        return decode(request.flip());
    }

    private static String decode(ByteBuffer bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw new CommandException("the command is not UTF-8");
        }
    }
}
