package vfio.user.internal;

import jakarta.json.Json;
import jakarta.json.JsonException;
import jakarta.json.JsonNumber;
import jakarta.json.JsonObject;
import jakarta.json.JsonObjectBuilder;
import jakarta.json.JsonReader;
import jakarta.json.JsonValue;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * The capabilities of a VERSION message.
 *
 * @param names the capabilities that the message names; an answer may name no others
 * @param maxMsgFds descriptors the sender can receive in one message
 * @param maxDataXferSize bytes of data in one transfer
 * @param maxDmaMaps DMA mappings at a time
 * @param pgsizes page sizes for DMA mappings, or'ed together
 * @param writeMultiple whether REGION_WRITE_MULTI is understood
 * @param twinSocket whether commands to the client may go over a socket of their own
 * @param maxBitmapSize bytes of a bitmap of dirty pages
 * @param dynamicTrap whether mappings may be withdrawn while the device is open
 */
public record Capabilities(
        Set<String> names,
        int maxMsgFds,
        int maxDataXferSize,
        int maxDmaMaps,
        long pgsizes,
        boolean writeMultiple,
        boolean twinSocket,
        int maxBitmapSize,
        boolean dynamicTrap) {
    public static final String MAX_MSG_FDS = "max_msg_fds";
    public static final String MAX_DATA_XFER_SIZE = "max_data_xfer_size";
    public static final String MAX_DMA_MAPS = "max_dma_maps";
    public static final String PGSIZES = "pgsizes";
    public static final String WRITE_MULTIPLE = "write_multiple";
    public static final String TWIN_SOCKET = "twin_socket";

    /** In older versions of the specification only; there are clients that propose it. */
    public static final String MIGRATION = "migration";

    /** Not in the specification: see {@code docs/dynamic-trap.md}. */
    public static final String DYNAMIC_TRAP = "dynamic_trap";

    /** What holds for a peer that names nothing. */
    public static final Capabilities DEFAULT =
            new Capabilities(Set.of(), 1, 1 << 20, 65_535, 4096, false, false, 256 << 20, false);

    /** Longest version data that is read; QEMU sends about 200 bytes. */
    public static final int DATA_MAXIMUM = 4096;

    private static final String CAPABILITIES = "capabilities";
    private static final String PGSIZE = "pgsize";
    private static final String MAX_BITMAP_SIZE = "max_bitmap_size";
    private static final String SUPPORTED = "supported";
    private static final String FD_INDEX = "fd_index";

    /** Copies the names. */
    public Capabilities {
        names = Set.copyOf(names);
    }

    /**
     * Reads version data.
     *
     * @param data JSON with or without the terminating NUL, or empty
     * @throws VfioException EINVAL if it is not JSON, or a number is out of range
     */
    public static Capabilities parse(byte[] data) {
        int length = data.length > 0 && data[data.length - 1] == 0 ? data.length - 1 : data.length;
        if (length == 0) {
            return DEFAULT;
        }
        try (JsonReader reader = Json.createReader(new ByteArrayInputStream(data, 0, length))) {
            JsonObject root = reader.readObject();
            if (!root.containsKey(CAPABILITIES)) {
                return DEFAULT;
            }
            JsonObject capabilities = root.getJsonObject(CAPABILITIES);
            return new Capabilities(
                    capabilities.keySet(),
                    (int) number(capabilities, MAX_MSG_FDS, DEFAULT.maxMsgFds, Integer.MAX_VALUE),
                    (int) number(capabilities, MAX_DATA_XFER_SIZE, DEFAULT.maxDataXferSize, Integer.MAX_VALUE),
                    (int) number(capabilities, MAX_DMA_MAPS, DEFAULT.maxDmaMaps, Integer.MAX_VALUE),
                    number(capabilities, PGSIZES, DEFAULT.pgsizes, Long.MAX_VALUE),
                    capabilities.getBoolean(WRITE_MULTIPLE, false),
                    capabilities.containsKey(TWIN_SOCKET)
                            && capabilities.getJsonObject(TWIN_SOCKET).getBoolean(SUPPORTED, false),
                    capabilities.containsKey(MIGRATION)
                            ? (int) number(
                                    capabilities.getJsonObject(MIGRATION),
                                    MAX_BITMAP_SIZE,
                                    DEFAULT.maxBitmapSize,
                                    Integer.MAX_VALUE)
                            : DEFAULT.maxBitmapSize,
                    capabilities.getBoolean(DYNAMIC_TRAP, false));
        } catch (JsonException | ClassCastException | ArithmeticException | NumberFormatException e) {
            throw new VfioException(Errno.EINVAL, "the version data is not what the specification describes", e);
        }
    }

    /** As version data, with the terminating NUL. Only what is in {@link #names()} is named. */
    public byte[] format() {
        JsonObjectBuilder capabilities = Json.createObjectBuilder();
        if (names.contains(MAX_MSG_FDS)) {
            capabilities.add(MAX_MSG_FDS, maxMsgFds);
        }
        if (names.contains(MAX_DATA_XFER_SIZE)) {
            capabilities.add(MAX_DATA_XFER_SIZE, maxDataXferSize);
        }
        if (names.contains(MAX_DMA_MAPS)) {
            capabilities.add(MAX_DMA_MAPS, maxDmaMaps);
        }
        if (names.contains(PGSIZES)) {
            capabilities.add(PGSIZES, pgsizes);
        }
        if (names.contains(WRITE_MULTIPLE)) {
            capabilities.add(WRITE_MULTIPLE, writeMultiple);
        }
        if (names.contains(TWIN_SOCKET)) {
            JsonObjectBuilder twin = Json.createObjectBuilder().add(SUPPORTED, twinSocket);
            capabilities.add(TWIN_SOCKET, twinSocket ? twin.add(FD_INDEX, 0) : twin);
        }
        if (names.contains(MIGRATION)) {
            capabilities.add(
                    MIGRATION,
                    Json.createObjectBuilder()
                            .add(PGSIZE, Long.lowestOneBit(pgsizes))
                            .add(MAX_BITMAP_SIZE, maxBitmapSize));
        }
        if (names.contains(DYNAMIC_TRAP)) {
            capabilities.add(DYNAMIC_TRAP, dynamicTrap);
        }
        String json = Json.createObjectBuilder().add(CAPABILITIES, capabilities).build() + "\0";
        return json.getBytes(StandardCharsets.UTF_8);
    }

    private static long number(JsonObject object, String name, long otherwise, long maximum) {
        JsonValue value = object.get(name);
        if (value == null) {
            return otherwise;
        }
        long number = ((JsonNumber) value).longValueExact();
        if (number < 1 || number > maximum) {
            throw new VfioException(Errno.EINVAL, "capability " + name + " is " + number + ", which cannot be");
        }
        return number;
    }
}
