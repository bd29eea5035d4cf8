package vfio.dist;

import java.time.Duration;
import org.osgi.framework.Bundle;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.launch.Framework;

/**
 * Ends the program in bounded time, whether a signal asked for it or the program itself. Java would report a signal as
 * 128 and its number; a clean stop is {@link ExitStatus#OK} here, so the hook ends the process itself when the framework
 * is down.
 */
final class Shutdown {
    /** What bundles have to stop. Together with the rest it stays below two seconds. */
    private static final Duration LIMIT = Duration.ofMillis(1200);

    private final Framework framework;
    private final Layout layout;
    private final SocketDirectory sockets;
    private volatile ExitStatus status = ExitStatus.OK;
    private volatile boolean ending;

    private Shutdown(Framework framework, Layout layout, SocketDirectory sockets) {
        this.framework = framework;
        this.layout = layout;
        this.sockets = sockets;
    }

    /** From now on a signal stops this framework before the process ends. */
    static Shutdown guard(Framework framework, Layout layout, SocketDirectory sockets) {
        Shutdown shutdown = new Shutdown(framework, layout, sockets);
        Runtime.getRuntime().addShutdownHook(new Thread(shutdown::end, "shutdown"));
        return shutdown;
    }

    /** What the process will report when it ends and nothing worse happens. */
    void report(ExitStatus outcome) {
        status = outcome;
    }

    /** Whether somebody stops the framework, or did. */
    boolean underWay() {
        return ending || framework.getState() == Bundle.STOPPING || framework.getState() == Bundle.RESOLVED;
    }

    /** Waits until the framework is down, whoever stops it. */
    void awaitStop() {
        try {
            framework.waitForStop(0);
        } catch (InterruptedException e) {
            throw new IllegalStateException("the main thread is nobody's to interrupt", e);
        }
    }

    private void end() {
        ending = true;
        ExitStatus outcome = status;
        if (stop()) {
            layout.removeCache(sockets);
        } else {
            System.err.println("vfio-mediate: bundles did not stop within " + LIMIT.toMillis()
                    + " ms, ended by force; the log in " + layout.log() + " tells more");
            sockets.removeSockets();
            outcome = ExitStatus.INTERNAL;
        }
        System.out.flush();
        System.err.flush();
        Runtime.getRuntime().halt(outcome.code());
    }

    private boolean stop() {
        try {
            framework.stop();
            return framework.waitForStop(LIMIT.toMillis()).getType() != FrameworkEvent.WAIT_TIMEDOUT;
        } catch (Exception e) {
            System.err.println("vfio-mediate: stopping failed: " + e);
            return false;
        }
    }
}
