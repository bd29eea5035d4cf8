package vfio.shell;

import vfio.pci.api.device.VfioException;

/** A command failed for a reason its user has to know. What the shell shows of it is the sentence alone. */
final class CommandException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    CommandException(String sentence) {
        super(sentence);
    }

    /** The failure of a request, introduced by the name of its errno. */
    CommandException(VfioException cause) {
        super(cause.errno().name() + ": " + cause.getMessage(), cause);
    }

    /** The sentence: interactive shells print an exception by this method. */
    @Override
    @SuppressWarnings("OverrideThrowableToString")
    public String toString() {
        return String.valueOf(getMessage());
    }
}
