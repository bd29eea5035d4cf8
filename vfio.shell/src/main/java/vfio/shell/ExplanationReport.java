package vfio.shell;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import vfio.pci.api.manage.BundleFiles.BundleFile;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/**
 * How a function came to be mediated as it is, or how it would be.
 *
 * @param address the function
 * @param outcome a sentence
 * @param openedThrough the interface of the kernel; empty if there is none
 * @param verdicts every driver that was asked or would be, in order
 */
record ExplanationReport(
        PciAddress address, String outcome, Optional<String> openedThrough, Listing<VerdictRow> verdicts)
        implements Rendered {
    /** The last open or hand-over of a function. */
    static ExplanationReport of(PciDevice device, Explanation explanation) {
        List<VerdictRow> rows = IntStream.range(0, explanation.verdicts().size())
                .mapToObj(i -> VerdictRow.of(i + 1, explanation.verdicts().get(i)))
                .toList();
        return new ExplanationReport(
                explanation.address(),
                explanation.address() + " was last opened by " + explanation.user() + ": " + explanation.outcome(),
                device.openedThrough(),
                new Listing<>(
                        rows,
                        "Nobody was asked: no mediate driver was registered. vfio:mediators lists those of today."));
    }

    /**
     * A function that was never opened.
     *
     * @param loadable what is loaded if nobody accepts
     */
    static ExplanationReport neverOpened(PciDevice device, List<MediatorInfo> mediators, List<BundleFile> loadable) {
        PciAddress address = device.address();
        if (device.unassignableReason().isPresent()) {
            return new ExplanationReport(
                    address,
                    address + " was never opened and cannot be given to a VMM",
                    Optional.empty(),
                    new Listing<>(List.of(), device.unassignableReason().get()));
        }
        List<VerdictRow> rows = IntStream.range(0, mediators.size())
                .mapToObj(i -> VerdictRow.of(i + 1, mediators.get(i)))
                .toList();
        return new ExplanationReport(
                address,
                address + " was never opened; when it is, "
                        + (rows.isEmpty() ? "" : "the first of these that accepts will mediate it, or ")
                        + (loadable.isEmpty()
                                ? "it is passed through"
                                : "what is loaded then may mediate it: "
                                        + loadable.stream()
                                                .map(BundleFile::bundle)
                                                .collect(Collectors.joining(", "))),
                device.openedThrough(),
                new Listing<>(rows, "Nobody would be asked now: no mediate driver is registered."));
    }

    @Override
    public String inspect() {
        return outcome + "\n"
                + openedThrough
                        .map(way -> "The kernel opens it through " + way + "\n")
                        .orElse("") + verdicts.inspect();
    }

    @Override
    public String line() {
        return outcome;
    }

    @Override
    public String part() {
        return address.toString();
    }
}
