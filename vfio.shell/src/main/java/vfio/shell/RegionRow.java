package vfio.shell;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.pci.PciRegion;

/**
 * A region of an open device, as its client sees it.
 *
 * @param index region index
 * @param name region name
 * @param size bytes
 * @param flags what may be done with it
 * @param areas the parts that may be mapped; a disablable one only by a client that can be told to give it back
 */
record RegionRow(int index, String name, long size, Set<RegionInfo.Flag> flags, List<SparseArea> areas) implements Row {
    static RegionRow of(RegionInfo region) {
        return new RegionRow(
                region.index(), PciRegion.name(region.index()), region.size(), region.flags(), region.mappableAreas());
    }

    @Override
    public List<Cell> cells() {
        return List.of(
                Cell.text("region", name),
                Cell.number("index", index),
                Cell.hex("size", size),
                Cell.text(
                        "flags",
                        Arrays.stream(RegionInfo.Flag.values())
                                .filter(flags::contains)
                                .map(flag -> flag.name().toLowerCase(Locale.ROOT))
                                .collect(Collectors.joining(" "))),
                Cell.text("mapped directly", mapped()),
                Cell.text("disablable", disablable()));
    }

    private String mapped() {
        return areas.equals(List.of(SparseArea.direct(0, size)))
                ? "all"
                : text("nothing", areas.stream().filter(area -> !area.disablable()));
    }

    private String disablable() {
        return text(Cell.NONE, areas.stream().filter(SparseArea::disablable));
    }

    private static String text(String none, Stream<SparseArea> chosen) {
        String text = chosen.map(
                        area -> "[0x" + Long.toHexString(area.offset()) + ", 0x" + Long.toHexString(area.end()) + ")")
                .collect(Collectors.joining(" "));
        return text.isEmpty() ? none : text;
    }
}
