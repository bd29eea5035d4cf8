package vfio.iavf;

/** The function was reset while the driver waited for something; {@link VirtualFunctionDriver#recover} is what helps. */
public final class ResetException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    ResetException(String sentence) {
        super(sentence);
    }
}
