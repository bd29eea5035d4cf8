package vfio.iavf;

/** The device did what it must not do. The message is a sentence that says what, and what was expected. */
public final class DeviceViolation extends AssertionError {
    private static final long serialVersionUID = 1L;

    DeviceViolation(String sentence) {
        super(sentence);
    }
}
