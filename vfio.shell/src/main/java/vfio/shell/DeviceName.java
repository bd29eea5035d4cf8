package vfio.shell;

import java.util.Collection;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.pci.PciAddress;

/** How people write a PCI address: in full, or as much of its end as is unique, without leading zeros. */
final class DeviceName {
    private static final Pattern FORM = Pattern.compile(
            "(?:(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,2}):)?([0-9a-f]{1,2})\\.([0-7])", Pattern.CASE_INSENSITIVE);

    private DeviceName() {}

    /**
     * The address that is meant.
     *
     * @param text {@code 0000:03:02.0}, {@code 3:2.0} or {@code 2.0}
     * @param known the addresses to choose from
     * @throws CommandException if it is not an address, or none or several of the known ones
     */
    static PciAddress resolve(String text, Collection<PciAddress> known) {
        return resolve(text, known, "is not present; vfio:devices lists what is");
    }

    /**
     * The address that is meant.
     *
     * @param absence what to say of one that is none of the known
     */
    static PciAddress resolve(String text, Collection<PciAddress> known, String absence) {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            throw new CommandException(
                    "'" + text + "' is not a PCI address: write it like 0000:03:02.0, or 3:2.0 where that is unique");
        }
        List<PciAddress> meant = known.stream()
                .filter(address -> matches(matcher, address))
                .sorted()
                .toList();
        if (meant.isEmpty()) {
            throw new CommandException(text + " " + absence);
        }
        if (meant.size() > 1) {
            throw new CommandException(text + " is not unique, it could be "
                    + meant.stream().map(PciAddress::toString).collect(Collectors.joining(" or ")));
        }
        return meant.get(0);
    }

    private static boolean matches(Matcher matcher, PciAddress address) {
        return matches(matcher.group(1), address.domain())
                && matches(matcher.group(2), address.bus())
                && matches(matcher.group(3), address.device())
                && matches(matcher.group(4), address.function());
    }

    private static boolean matches(@Nullable String digits, int value) {
        return digits == null || Integer.parseInt(digits, 16) == value;
    }
}
