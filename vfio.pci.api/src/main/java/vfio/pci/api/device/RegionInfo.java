package vfio.pci.api.device;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * What a user may know about a region ({@code struct vfio_region_info} with its capabilities). Immutable.
 *
 * @param index region index
 * @param size bytes; 0 if the region is not implemented
 * @param flags what may be done with it
 * @param areas the parts that may be mapped, ascending and disjoint; empty with {@link Flag#MMAP} set means the whole
 *     region
 * @param type device-specific region type, {@code 0} for a region of the bus
 * @param subtype device-specific region subtype
 */
public record RegionInfo(int index, long size, Set<Flag> flags, List<SparseArea> areas, int type, int subtype) {
    /** Permissions of a region; bits as in {@code VFIO_REGION_INFO_FLAG_*}. */
    public enum Flag {
        READ(1),
        WRITE(1 << 1),
        MMAP(1 << 2);

        private final int bit;

        Flag(int bit) {
            this.bit = bit;
        }

        /** The bit in the {@code flags} word. */
        public int bit() {
            return bit;
        }
    }

    /** The granularity of mappings, in bytes. */
    public static final int PAGE_SIZE = 4096;

    /** Copies the collections. */
    public RegionInfo {
        flags = Set.copyOf(flags);
        areas = List.copyOf(areas);
    }

    /** A region that is not implemented. */
    public static RegionInfo absent(int index) {
        return new RegionInfo(index, 0, Set.of(), List.of(), 0, 0);
    }

    /** A region that can be read and written but not mapped. */
    public static RegionInfo trapped(int index, long size) {
        return new RegionInfo(index, size, EnumSet.of(Flag.READ, Flag.WRITE), List.of(), 0, 0);
    }

    /** A region that can be read, written and mapped as a whole. */
    public static RegionInfo mappable(int index, long size) {
        return new RegionInfo(index, size, EnumSet.allOf(Flag.class), List.of(), 0, 0);
    }

    /** This region, mappable only in the given parts; not mappable at all if there are none. */
    public RegionInfo withAreas(List<SparseArea> newAreas) {
        EnumSet<Flag> newFlags = EnumSet.noneOf(Flag.class);
        newFlags.addAll(flags);
        if (newAreas.isEmpty()) {
            newFlags.remove(Flag.MMAP);
        } else {
            newFlags.add(Flag.MMAP);
        }
        return new RegionInfo(index, size, newFlags, newAreas, type, subtype);
    }

    /** This region under another index. */
    public RegionInfo withIndex(int newIndex) {
        return new RegionInfo(newIndex, size, flags, areas, type, subtype);
    }

    /** Whether the flag is set. */
    public boolean is(Flag flag) {
        return flags.contains(flag);
    }

    /** The parts that may be mapped: {@link #areas()}, or the whole region, or nothing. */
    public List<SparseArea> mappableAreas() {
        if (!is(Flag.MMAP) || size == 0) {
            return List.of();
        }
        return areas.isEmpty() ? List.of(SparseArea.direct(0, size)) : areas;
    }
}
