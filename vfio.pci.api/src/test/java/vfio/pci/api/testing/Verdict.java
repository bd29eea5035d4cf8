package vfio.pci.api.testing;

import java.util.Locale;
import vfio.pci.api.manage.Explanation.Answer;

/**
 * What came of asking a driver, as {@code vfio:explain} shows it to an administrator. {@link #toString} is short and stable:
 * {@code accepted}, or for example {@code declined: not mine}.
 *
 * @param answer what the driver said, or what it got wrong
 * @param reason why, as a sentence; empty if it accepted
 */
public record Verdict(Answer answer, String reason) {
    /** Whether the driver has the device now. */
    public boolean isAccepted() {
        return answer == Answer.ACCEPTED;
    }

    @Override
    public String toString() {
        String name = answer.name().toLowerCase(Locale.ROOT);
        return reason.isEmpty() ? name : name + ": " + reason;
    }
}
