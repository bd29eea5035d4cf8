package vfio.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import vfio.linux.ControlFile;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciRegion;

/**
 * The kernel's side of VFIO as far as its answers go: writes down calls, answers with structures that tests lay out, and fails
 * where it is told to.
 */
final class FakeKernel {
    private static final String CONTAINER = "vfio";

    /** Where a region begins in the device's file, as in the kernel. */
    static final int REGION_SHIFT = 12;

    /** The number of the only address space of an iommufd. */
    static final int SPACE = 42;

    static final int BAR_SIZE = 0x4000;
    static final int REGIONS = 9;
    static final int IRQS = 5;

    /** What was done, in order. */
    final List<String> calls = new ArrayList<>();

    /** The calls that fail: by request, or 0 for opening a path. */
    final Map<Object, Errno> failures = new HashMap<>();

    /** Answers to questions for information, without those of regions. */
    final Map<Integer, ByteBuffer> answers = new HashMap<>();

    final Map<Integer, ByteBuffer> regions = new TreeMap<>();
    final Map<Integer, int[]> irqs = new TreeMap<>();

    /** What the kernel would signal, by {@code index.vector}. */
    final Map<String, EventFd> events = new TreeMap<>();

    /** What the device's registers are. */
    final MappedMemory registers = MappedMemory.allocate("fake device", REGIONS << REGION_SHIFT << 2);

    /** What an iommufd can map, first and last in turn, and how many of these it says there are. */
    final long[] spaceRanges = {0, 0xfedf_ffffL, 0xfef0_0000L, 0x7f_ffff_ffffL};

    int spaceRangeCount = spaceRanges.length / 2;

    int open;

    FakeKernel() {
        answers.put(
                Uapi.VFIO_GROUP_GET_STATUS, structure(Uapi.GROUP_STATUS_SIZE).putInt(Uapi.FLAGS, 1));
        answers.put(
                Uapi.VFIO_DEVICE_GET_INFO,
                structure(Uapi.DEVICE_INFO_SIZE)
                        .putInt(Uapi.FLAGS, Uapi.VFIO_DEVICE_FLAGS_PCI | Uapi.VFIO_DEVICE_FLAGS_RESET)
                        .putInt(Uapi.DEVICE_INFO_NUM_REGIONS, REGIONS)
                        .putInt(Uapi.DEVICE_INFO_NUM_IRQS, IRQS));
        answers.put(Uapi.IOMMU_IOAS_ALLOC, structure(Uapi.IOAS_ALLOC_SIZE).putInt(Uapi.IOAS_ALLOC_OUT_IOAS_ID, SPACE));
        answers.put(Uapi.VFIO_IOMMU_GET_INFO, iommu(0, 0xfedf_ffffL, 0xfef0_0000L, 0x7f_ffff_ffffL));
        region(0, 7, BAR_SIZE);
        region(7, 3, 0x1000);
        irqs.put(0, new int[] {7, 1});
        irqs.put(1, new int[] {9, 1});
        irqs.put(2, new int[] {9, 3});
        irqs.put(3, new int[] {1, 1});
        irqs.put(4, new int[] {1, 1});
    }

    static ByteBuffer structure(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN).putInt(Uapi.ARGSZ, size);
    }

    /** A region without capabilities. */
    void region(int index, int flags, long size) {
        regions.put(
                index,
                structure(Uapi.REGION_INFO_SIZE)
                        .putInt(Uapi.FLAGS, flags)
                        .putLong(Uapi.REGION_INFO_LENGTH, size)
                        .putLong(Uapi.REGION_INFO_OFFSET, (long) index << REGION_SHIFT << 2));
    }

    /** A region with capabilities of the given words behind it, the first at its end. */
    void region(int index, int flags, long size, int... words) {
        ByteBuffer region = structure(Uapi.REGION_INFO_SIZE + words.length * Integer.BYTES)
                .putInt(Uapi.FLAGS, flags | Uapi.VFIO_REGION_INFO_FLAG_CAPS)
                .putInt(Uapi.REGION_INFO_CAP_OFFSET, Uapi.REGION_INFO_SIZE)
                .putLong(Uapi.REGION_INFO_LENGTH, size)
                .putLong(Uapi.REGION_INFO_OFFSET, (long) index << REGION_SHIFT << 2);
        for (int word = 0; word < words.length; word++) {
            region.putInt(Uapi.REGION_INFO_SIZE + word * Integer.BYTES, words[word]);
        }
        regions.put(index, region);
    }

    /** An IOMMU with ranges, first and last in turn. */
    static ByteBuffer iommu(long... ranges) {
        ByteBuffer info = structure(Uapi.IOMMU_INFO_SIZE + Uapi.IOVA_RANGES + ranges.length * Long.BYTES)
                .putInt(Uapi.FLAGS, Uapi.VFIO_IOMMU_INFO_PGSIZES | Uapi.VFIO_IOMMU_INFO_CAPS)
                .putLong(Uapi.IOMMU_INFO_PGSIZES, 0x4020_1000L)
                .putInt(Uapi.IOMMU_INFO_CAP_OFFSET, Uapi.IOMMU_INFO_SIZE)
                .putShort(Uapi.IOMMU_INFO_SIZE, (short) Uapi.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
                .putInt(Uapi.IOMMU_INFO_SIZE + Uapi.IOVA_RANGES_COUNT, ranges.length / 2);
        for (int at = 0; at < ranges.length; at++) {
            info.putLong(Uapi.IOMMU_INFO_SIZE + Uapi.IOVA_RANGES + at * Long.BYTES, ranges[at]);
        }
        return info;
    }

    ControlFile open(Path path) {
        fail(path.toString());
        calls.add("open " + path.getFileName());
        return new File(path.getFileName().toString());
    }

    private void fail(Object call) {
        Errno errno = failures.get(call);
        if (errno != null) {
            throw new VfioException(errno, "the fake kernel was told to fail");
        }
    }

    /** So the kernel refuses VGA of a device that has none, and ERR of one that is not PCI Express. */
    private static void requireKnown(boolean known) {
        if (!known) {
            throw new VfioException(Errno.EINVAL, "the fake kernel does not know that index");
        }
    }

    private final class File implements ControlFile {
        private final String name;
        private boolean closed;

        File(String name) {
            this.name = name;
            open++;
        }

        @Override
        public int call(int request, long argument) {
            fail(request);
            switch (request) {
                case Uapi.VFIO_GET_API_VERSION -> {
                    return 0;
                }
                case Uapi.VFIO_CHECK_EXTENSION -> {
                    return 1;
                }
                default -> calls.add(name(request) + " " + argument);
            }
            return 0;
        }

        @Override
        public int call(int request, ByteBuffer structure) {
            fail(request);
            if (request == Uapi.VFIO_DEVICE_GET_REGION_INFO) {
                int index = structure.getInt(Uapi.REGION_INFO_INDEX);
                requireKnown(index != PciRegion.VGA);
                answer(regions.getOrDefault(index, structure(Uapi.REGION_INFO_SIZE)), structure);
            } else if (request == Uapi.VFIO_DEVICE_GET_IRQ_INFO) {
                int[] irq = irqs.get(structure.getInt(Uapi.IRQ_INFO_INDEX));
                requireKnown(irq != null);
                structure.putInt(Uapi.FLAGS, irq[0]).putInt(Uapi.IRQ_INFO_COUNT, irq[1]);
            } else if (request == Uapi.VFIO_DEVICE_SET_IRQS) {
                irqs(structure, List.of());
            } else if (request == Uapi.VFIO_IOMMU_UNMAP_DMA) {
                calls.add(String.format(
                        "unmap 0x%x 0x%x",
                        structure.getLong(Uapi.DMA_UNMAP_IOVA), structure.getLong(Uapi.DMA_UNMAP_LENGTH)));
            } else if (request == Uapi.VFIO_DEVICE_ATTACH_IOMMUFD_PT) {
                calls.add(name + " attached to " + structure.getInt(Uapi.ATTACH_IOMMUFD_PT_PT_ID));
            } else if (request == Uapi.IOMMU_IOAS_UNMAP) {
                calls.add(String.format(
                        "unmap of %d 0x%x 0x%x",
                        structure.getInt(Uapi.IOAS_UNMAP_IOAS_ID),
                        structure.getLong(Uapi.IOAS_UNMAP_IOVA),
                        structure.getLong(Uapi.IOAS_UNMAP_LENGTH)));
            } else if (request == Uapi.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO && !name.equals(CONTAINER)) {
                // The number is that of another call of containers.
                // 0000:00:06.0 and 0000:00:06.1, in two groups.
                structure
                        .putInt(Uapi.HOT_RESET_INFO_COUNT, 2)
                        .putInt(12, 9)
                        .putInt(16, 0x3000_0000)
                        .putInt(20, 9)
                        .putInt(24, 0x3100_0000);
            } else {
                answer(answers.get(request), structure);
            }
            return 0;
        }

        @Override
        public int call(int request, ByteBuffer structure, int index, ControlFile file) {
            fail(request);
            calls.add((request == Uapi.VFIO_DEVICE_BIND_IOMMUFD ? "iommufd of " : "container of ") + name + " is "
                    + ((File) file).name);
            return 0;
        }

        @Override
        public int call(int request, ByteBuffer structure, int index, MappedMemory memory) {
            fail(request);
            if (request == Uapi.IOMMU_IOAS_IOVA_RANGES) {
                ranges(structure, memory);
                return 0;
            }
            if (request == Uapi.IOMMU_IOAS_MAP) {
                calls.add(String.format(
                        "map in %d %d 0x%x 0x%x",
                        structure.getInt(Uapi.IOAS_MAP_IOAS_ID),
                        structure.getInt(Uapi.FLAGS),
                        structure.getLong(Uapi.IOAS_MAP_IOVA),
                        structure.getLong(Uapi.IOAS_MAP_LENGTH)));
                return 0;
            }
            calls.add(String.format(
                    "map %d 0x%x 0x%x",
                    structure.getInt(Uapi.FLAGS),
                    structure.getLong(Uapi.DMA_MAP_IOVA),
                    structure.getLong(Uapi.DMA_MAP_LENGTH)));
            return 0;
        }

        @Override
        public int call(int request, ByteBuffer structure, int index, List<@Nullable EventFd> given) {
            fail(request);
            irqs(structure, given);
            return 0;
        }

        @Override
        public ControlFile open(int request, String device) {
            fail(request);
            calls.add("device " + device);
            return new File(device);
        }

        @Override
        public MappedMemory memory(long fileOffset, long size, boolean writable) {
            return MappedMemory.map(
                    registers.descriptor().duplicate(),
                    fileOffset,
                    Math.min(size, registers.size() - fileOffset),
                    writable);
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                open--;
                calls.add("close " + name);
            }
        }

        private void ranges(ByteBuffer structure, MappedMemory list) {
            calls.add("ranges of " + structure.getInt(Uapi.IOAS_IOVA_RANGES_IOAS_ID));
            for (int at = 0; at < spaceRanges.length; at++) {
                list.putLong((long) at * Long.BYTES, spaceRanges[at]);
            }
            structure
                    .putInt(Uapi.IOAS_IOVA_RANGES_NUM_IOVAS, spaceRangeCount)
                    .putLong(Uapi.IOAS_IOVA_RANGES_OUT_IOVA_ALIGNMENT, 0x1000);
        }

        private void irqs(ByteBuffer structure, List<@Nullable EventFd> given) {
            int flags = structure.getInt(Uapi.FLAGS);
            int index = structure.getInt(Uapi.IRQ_SET_INDEX);
            int start = structure.getInt(Uapi.IRQ_SET_START);
            int count = structure.getInt(Uapi.IRQ_SET_COUNT);
            calls.add("irqs " + flags + " " + index + " " + start + "+" + count);
            if ((flags & Uapi.VFIO_IRQ_SET_DATA_EVENTFD) != 0) {
                for (int vector = 0; vector < given.size(); vector++) {
                    events.put(index + "." + (start + vector), given.get(vector));
                }
            } else if (count == 0) {
                events.keySet().removeIf(key -> key.startsWith(index + "."));
            }
        }
    }

    /** Answers as the kernel does: as much as fits, and how much there is. */
    private static void answer(ByteBuffer whole, ByteBuffer question) {
        int room = question.getInt(Uapi.ARGSZ);
        question.put(0, whole, 0, Math.min(room, whole.capacity()));
        question.putInt(Uapi.ARGSZ, whole.capacity());
        if (room < whole.capacity() && whole.capacity() > Uapi.REGION_INFO_SIZE && room == Uapi.REGION_INFO_SIZE) {
            question.putInt(Uapi.REGION_INFO_CAP_OFFSET, 0);
        }
    }

    private static String name(int request) {
        return switch (request) {
            case Uapi.VFIO_SET_IOMMU -> "iommu";
            case Uapi.VFIO_DEVICE_RESET -> "reset";
            default -> "request " + request;
        };
    }
}
