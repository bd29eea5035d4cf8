package vfio.host;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import vfio.linux.ControlFile;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SparseArea;

/**
 * A region as the kernel describes it ({@code struct vfio_region_info}).
 *
 * @param info what users are told
 * @param offset of its first byte in the device's file
 */
record KernelRegion(RegionInfo info, long offset) {
    /**
     * Asks the kernel.
     *
     * @throws vfio.pci.api.device.VfioException of the call; EPROTO if the answer makes no sense
     */
    static KernelRegion of(ControlFile device, String subject, int index) {
        return Structure.askFor(
                        device,
                        KernelCall.DEVICE_GET_REGION_INFO,
                        subject,
                        Structure.of(Uapi.REGION_INFO_SIZE).putInt(Uapi.REGION_INFO_INDEX, index))
                .map(answer -> decode(answer, index))
                .orElse(new KernelRegion(RegionInfo.absent(index), 0));
    }

    private static KernelRegion decode(ByteBuffer answer, int index) {
        int flags = answer.getInt(Uapi.FLAGS);
        long size = answer.getLong(Uapi.REGION_INFO_LENGTH);
        int chain = (flags & Uapi.VFIO_REGION_INFO_FLAG_CAPS) == 0 ? 0 : answer.getInt(Uapi.REGION_INFO_CAP_OFFSET);
        int type = Structure.capability(
                        answer, chain, Uapi.VFIO_REGION_INFO_CAP_TYPE, Uapi.TYPE_SUBTYPE + Integer.BYTES)
                .orElse(-1);
        RegionInfo described = new RegionInfo(
                index,
                size,
                flags(flags),
                List.of(),
                type < 0 ? 0 : answer.getInt(type + Uapi.TYPE_TYPE),
                type < 0 ? 0 : answer.getInt(type + Uapi.TYPE_SUBTYPE));
        RegionInfo mapped = Structure.capability(
                        answer, chain, Uapi.VFIO_REGION_INFO_CAP_SPARSE_MMAP, Uapi.SPARSE_AREAS)
                .map(sparse -> described.withAreas(areas(answer, sparse)))
                .orElse(described);
        // Users map whole pages; a BAR that shares its page with another is not offered by the kernel either.
        boolean wholePages = size % RegionInfo.PAGE_SIZE == 0;
        return new KernelRegion(
                wholePages || !mapped.is(RegionInfo.Flag.MMAP) ? mapped : mapped.withAreas(List.of()),
                answer.getLong(Uapi.REGION_INFO_OFFSET));
    }

    private static Set<RegionInfo.Flag> flags(int bits) {
        Set<RegionInfo.Flag> flags = EnumSet.noneOf(RegionInfo.Flag.class);
        for (RegionInfo.Flag flag : RegionInfo.Flag.values()) {
            if ((bits & flag.bit()) != 0) {
                flags.add(flag);
            }
        }
        return flags;
    }

    /** The kernel may list empty areas where the MSI-X table leaves nothing. */
    private static List<SparseArea> areas(ByteBuffer answer, int sparse) {
        List<SparseArea> areas = new ArrayList<>();
        int start = sparse + Uapi.SPARSE_AREAS;
        int end = Structure.end(answer, start, answer.getInt(sparse + Uapi.SPARSE_NR_AREAS), Uapi.SPARSE_AREA_SIZE);
        for (int at = start; at < end; at += Uapi.SPARSE_AREA_SIZE) {
            long size = answer.getLong(at + Long.BYTES);
            if (size != 0) {
                areas.add(SparseArea.direct(answer.getLong(at), size));
            }
        }
        return areas;
    }
}
