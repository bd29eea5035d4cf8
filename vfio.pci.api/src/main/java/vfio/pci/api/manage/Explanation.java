package vfio.pci.api.manage;

import java.util.List;
import vfio.pci.api.pci.PciAddress;

/**
 * How a function came to be mediated as it is.
 *
 * @param address the function
 * @param user who opened it
 * @param verdicts every driver that was asked, in order
 * @param outcome a sentence: who mediates, or that the device is passed through
 */
public record Explanation(PciAddress address, String user, List<Verdict> verdicts, String outcome) {
    /** Copies the verdicts. */
    public Explanation {
        verdicts = List.copyOf(verdicts);
    }

    /**
     * The answer of one driver.
     *
     * @param mediator name of the driver
     * @param ranking its service ranking when it was asked
     * @param serviceId its OSGi service id; -1 if it was asked to be loaded and did not get as far
     * @param answer what it said
     * @param reason why, as a sentence; empty if it accepted
     */
    public record Verdict(String mediator, int ranking, long serviceId, Answer answer, String reason) {}

    /** What a driver may answer. */
    public enum Answer {
        ACCEPTED,
        DECLINED,
        /** It accepted, but cannot take the device over from the driver before it. */
        REFUSED,
        /** It threw, returned null, or described a layout that cannot be. */
        FAILED
    }
}
