package vfio.host;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import vfio.linux.ControlFile;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * What an IOMMU can map.
 *
 * @param pageSize the smallest, in bytes
 * @param ranges the addresses that can be mapped, ascending; empty if the kernel does not say
 */
record IommuLimits(long pageSize, List<Range> ranges) {
    private static final long SMALLEST_PAGE = 4096;

    /** Addresses, both ends included, unsigned. */
    record Range(long first, long last) {
        boolean contains(DmaMapping mapping) {
            return Long.compareUnsigned(first, mapping.iova()) <= 0 && Long.compareUnsigned(mapping.last(), last) <= 0;
        }

        @Override
        public String toString() {
            return "0x" + Long.toHexString(first) + "-0x" + Long.toHexString(last);
        }
    }

    /**
     * Asks the kernel for a container ({@code struct vfio_iommu_type1_info}).
     *
     * @throws VfioException of the call; EPROTO if the answer makes no sense
     */
    static IommuLimits of(ControlFile container, String subject) {
        ByteBuffer answer =
                Structure.ask(container, KernelCall.IOMMU_GET_INFO, subject, Structure.of(Uapi.IOMMU_INFO_SIZE));
        int flags = answer.getInt(Uapi.FLAGS);
        long sizes = (flags & Uapi.VFIO_IOMMU_INFO_PGSIZES) == 0 ? 0 : answer.getLong(Uapi.IOMMU_INFO_PGSIZES);
        int chain = (flags & Uapi.VFIO_IOMMU_INFO_CAPS) == 0 ? 0 : answer.getInt(Uapi.IOMMU_INFO_CAP_OFFSET);
        return new IommuLimits(
                sizes == 0 ? SMALLEST_PAGE : Long.lowestOneBit(sizes),
                Structure.capability(answer, chain, Uapi.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, Uapi.IOVA_RANGES)
                        .map(offset -> ranges(answer, offset))
                        .orElse(List.of()));
    }

    /**
     * Asks the kernel for an address space of an iommufd ({@code struct iommu_ioas_iova_ranges}).
     *
     * @throws VfioException of the call; EPROTO if the answer makes no sense
     */
    static IommuLimits of(ControlFile iommu, int space, String subject) {
        try (MappedMemory list = MappedMemory.allocate("ranges of an IOMMU", SMALLEST_PAGE)) {
            int room = (int) (list.size() / Uapi.IOVA_RANGE_SIZE);
            ByteBuffer answer = Structure.of(Uapi.IOAS_IOVA_RANGES_SIZE)
                    .putInt(Uapi.IOAS_IOVA_RANGES_IOAS_ID, space)
                    .putInt(Uapi.IOAS_IOVA_RANGES_NUM_IOVAS, room);
            KernelCall.IOAS_IOVA_RANGES.on(
                    subject,
                    () -> iommu.call(Uapi.IOMMU_IOAS_IOVA_RANGES, answer, Uapi.IOAS_IOVA_RANGES_ALLOWED_IOVAS, list));
            int count = answer.getInt(Uapi.IOAS_IOVA_RANGES_NUM_IOVAS);
            if (count < 0 || count > room) {
                throw new VfioException(
                        Errno.EPROTO, subject + " has " + Integer.toUnsignedString(count) + " ranges, of " + room);
            }
            List<Range> ranges = new ArrayList<>();
            for (long at = 0; at < (long) count * Uapi.IOVA_RANGE_SIZE; at += Uapi.IOVA_RANGE_SIZE) {
                ranges.add(new Range(list.getLong(at), list.getLong(at + Long.BYTES)));
            }
            long alignment = answer.getLong(Uapi.IOAS_IOVA_RANGES_OUT_IOVA_ALIGNMENT);
            return new IommuLimits(Math.max(alignment, SMALLEST_PAGE), List.copyOf(ranges));
        }
    }

    /**
     * Checks a mapping.
     *
     * @throws VfioException EINVAL if it cannot be, with the reason
     */
    void check(DmaMapping mapping) {
        if (((mapping.iova() | mapping.size()) & (pageSize - 1)) != 0) {
            throw new VfioException(
                    Errno.EINVAL,
                    "the IOMMU maps pages of " + pageSize + " bytes; " + mapping + " is not made of such pages");
        }
        if (!ranges.isEmpty() && ranges.stream().noneMatch(range -> range.contains(mapping))) {
            throw new VfioException(
                    Errno.EINVAL,
                    "the IOMMU cannot map " + mapping
                            + ", which is beyond its width or in a window it reserves, as for MSI;" + " it maps "
                            + ranges);
        }
    }

    private static List<Range> ranges(ByteBuffer answer, int capability) {
        List<Range> ranges = new ArrayList<>();
        int start = capability + Uapi.IOVA_RANGES;
        int end =
                Structure.end(answer, start, answer.getInt(capability + Uapi.IOVA_RANGES_COUNT), Uapi.IOVA_RANGE_SIZE);
        for (int at = start; at < end; at += Uapi.IOVA_RANGE_SIZE) {
            ranges.add(new Range(answer.getLong(at), answer.getLong(at + Long.BYTES)));
        }
        return List.copyOf(ranges);
    }
}
