package vfio.dist;

/** The program cannot go on. The message is for the operator: what happened and what to do. */
final class LaunchException extends Exception {
    private static final long serialVersionUID = 1L;

    private final ExitStatus status;

    LaunchException(ExitStatus status, String message) {
        super(message);
        this.status = status;
    }

    ExitStatus status() {
        return status;
    }
}
