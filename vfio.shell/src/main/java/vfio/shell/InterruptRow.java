package vfio.shell;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.pci.PciInterrupt;

/**
 * A type of interrupt of an open device.
 *
 * @param index interrupt index
 * @param name its name
 * @param count number of vectors
 * @param flags how it behaves
 */
record InterruptRow(int index, String name, int count, Set<InterruptInfo.Flag> flags) implements Row {
    static InterruptRow of(InterruptInfo interrupt) {
        return new InterruptRow(
                interrupt.index(), PciInterrupt.name(interrupt.index()), interrupt.count(), interrupt.flags());
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("interrupt", name),
                Cell.number("index", index),
                Cell.number("count", count),
                Cell.text(
                        "flags",
                        Arrays.stream(InterruptInfo.Flag.values())
                                .filter(flags::contains)
                                .map(flag -> flag.name().toLowerCase(Locale.ROOT))
                                .collect(Collectors.joining(" "))));
    }
}
