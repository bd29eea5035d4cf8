package vfio.user.client;

/**
 * One of several writes in a REGION_WRITE_MULTI.
 *
 * @param region region index
 * @param offset byte offset in the region
 * @param length bytes, 1 to 8
 * @param value the data in its low bytes
 */
public record RegionWrite(int region, long offset, int length, long value) {}
