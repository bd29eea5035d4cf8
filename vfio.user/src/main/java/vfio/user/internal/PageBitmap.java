package vfio.user.internal;

import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** The form of bitmaps of dirty pages: words of 64 bits, one bit for each page, a part of a page counting as one. */
public final class PageBitmap {
    private static final long PAGE_MINIMUM = 4096;

    private PageBitmap() {}

    /**
     * Bytes of the bitmap of a range.
     *
     * @throws VfioException EINVAL if the range is empty or reaches beyond 2^64, or the page size is not a power of two or
     *     below 4096
     */
    public static long size(long iova, long length, long pageSize) {
        if (length == 0 || Long.compareUnsigned(iova + (length - 1), iova) < 0) {
            throw new VfioException(
                    Errno.EINVAL,
                    "0x%x bytes from 0x%x are no range of which pages could be reported".formatted(length, iova));
        }
        if (Long.bitCount(pageSize) != 1 || pageSize < PAGE_MINIMUM) {
            throw new VfioException(
                    Errno.EINVAL,
                    Long.toUnsignedString(pageSize) + " is no page size: it must be a power of two, " + PAGE_MINIMUM
                            + " at least");
        }
        long pages = ((length - 1) >>> Long.numberOfTrailingZeros(pageSize)) + 1;
        return (pages + Long.SIZE - 1) / Long.SIZE * Long.BYTES;
    }
}
