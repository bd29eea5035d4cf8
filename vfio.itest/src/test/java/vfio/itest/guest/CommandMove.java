package vfio.itest.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;

/** A {@code vfio:migrate --wait} that goes on while its test does something else. */
final class CommandMove {
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final Pattern ROUND = Pattern.compile("round (\\d+): ");

    private final RuntimeProcess source;
    private final String device;
    private final CompletableFuture<String> output = new CompletableFuture<>();

    private CommandMove(RuntimeProcess source, String device) {
        this.source = source;
        this.device = device;
    }

    /** Says the command. */
    static CommandMove start(RuntimeProcess source, String device, RuntimeProcess target) {
        CommandMove move = new CommandMove(source, device);
        String command = "vfio:migrate --wait " + device + " " + target.socket("migration");
        Thread thread = new Thread(() -> move.run(command), command);
        thread.setDaemon(true);
        thread.start();
        return move;
    }

    /** Does something again and again until so many rounds have begun. */
    void awaitRound(int number, Runnable work) {
        Awaitility.await("round " + number)
                .pollDelay(Duration.ZERO)
                .pollInterval(Duration.ofMillis(1))
                .atMost(SOON)
                .until(() -> {
                    work.run();
                    return isOver() || round() >= number;
                });
        assertThat(isOver())
                .as("the move goes on: %s", source.ask("vfio:migration"))
                .isFalse();
    }

    /** Says {@code vfio:migration DEVICE STEP}. */
    void step(String step) {
        source.ask("vfio:migration " + device + " " + step);
    }

    /** Waits for its end; returns what it printed. */
    String output() {
        try {
            return output.get(SOON.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new AssertionError("the move failed: " + e.getCause().getMessage(), e);
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError("the move did not end in time", e);
        }
    }

    /** Waits for its failure; returns what it printed, or how the connection to its runtime ended. */
    String failure() {
        try {
            throw new AssertionError("the move succeeded: " + output.get(SOON.toMillis(), TimeUnit.MILLISECONDS));
        } catch (ExecutionException e) {
            return String.valueOf(e.getCause().getMessage());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError("the move did not end in time", e);
        }
    }

    private boolean isOver() {
        return output.isDone();
    }

    private int round() {
        Matcher round = ROUND.matcher(source.ask("vfio:migration " + device));
        return round.find() ? Integer.parseInt(round.group(1)) : 0;
    }

    private void run(String command) {
        try {
            output.complete(source.ask(command));
        } catch (RuntimeException | AssertionError e) {
            output.completeExceptionally(e);
        }
    }
}
