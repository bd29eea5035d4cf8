package vfio.pci.api.device;

/**
 * A request failed for a reason the requester has to know.
 *
 * <p>It carries the {@link Errno} a peer receives and a sentence for the operator: what happened and, where there is one,
 * the next step. It is unchecked because every call into foreign code is guarded against any exception anyway; a method
 * that throws it deliberately says so.
 */
public final class VfioException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Errno errno;

    /**
     * @param errno what the peer is told
     * @param message a sentence for the operator
     */
    public VfioException(Errno errno, String message) {
        super(message);
        this.errno = errno;
    }

    /**
     * @param errno what the peer is told
     * @param message a sentence for the operator
     * @param cause the failure underneath
     */
    public VfioException(Errno errno, String message, Throwable cause) {
        super(message, cause);
        this.errno = errno;
    }

    /** What the peer is told. */
    public Errno errno() {
        return errno;
    }
}
