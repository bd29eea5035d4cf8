package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientMemory;

/**
 * Random calls on a {@link DmaMap} and on a model that keeps, for each single address, which mapping it belongs to and what
 * it holds. Addresses lie in three short windows: at the bottom, around the change of sign, and at the top.
 */
final class DmaModelRun {
    private static final int WINDOW = 48;
    private static final long[] WINDOWS = {0, Long.MAX_VALUE - WINDOW / 2, -WINDOW};

    private final Random random;
    private final String name;
    private final FakeHardware hardware = new FakeHardware();
    private final DmaMap map = new DmaMap(ClientMemory.NONE);
    private final Map<Long, DmaMapping> owners = new HashMap<>();
    private final Map<Long, Byte> content = new HashMap<>();
    private int accepted;

    DmaModelRun(long seed) {
        random = new Random(seed);
        name = "seed " + seed;
    }

    void run(int steps) {
        for (int step = 0; step < steps; step++) {
            long iova = WINDOWS[random.nextInt(WINDOWS.length)] + random.nextInt(WINDOW);
            int length = 1 + random.nextInt(12);
            boolean wraps = iova < 0 && iova + length > 0;
            switch (random.nextInt(8)) {
                case 0, 1 -> {
                    if (!wraps) {
                        map(iova, length);
                    }
                }
                case 2 -> unmap(iova, length);
                case 3 -> unmapOneThatIs();
                case 4, 5 -> read(iova, length);
                default -> write(iova, length);
            }
        }
        assertThat(map.list())
                .as(name)
                .containsExactlyInAnyOrderElementsOf(
                        Map.copyOf(owners).values().stream().distinct().toList());
        assertThat(accepted).as("calls that did something, %s", name).isGreaterThan(steps / 20);
    }

    private void map(long iova, int length) {
        DmaMapping mapping =
                new DmaMapping(iova, length, random.nextInt(8) > 0, random.nextInt(8) > 0, new FakeMemory(length));
        boolean free = true;
        for (int index = 0; index < length; index++) {
            free &= !owners.containsKey(iova + index);
        }
        if (expect("map " + mapping, free ? null : Errno.EEXIST, () -> map.map(mapping, hardware))) {
            for (int index = 0; index < length; index++) {
                owners.put(iova + index, mapping);
                content.put(iova + index, (byte) 0);
            }
        }
    }

    private void unmapOneThatIs() {
        if (!owners.isEmpty()) {
            DmaMapping chosen = owners.values().stream()
                    .skip(random.nextInt(owners.size()))
                    .findFirst()
                    .orElseThrow();
            unmap(chosen.iova(), (int) chosen.size());
        }
    }

    private void unmap(long iova, int length) {
        boolean possible = Long.compareUnsigned(iova + length - 1, iova) >= 0;
        boolean some = false;
        for (int index = 0; index < length; index++) {
            @Nullable DmaMapping mapping = owners.get(iova + index);
            if (mapping != null) {
                some = true;
                possible &= Long.compareUnsigned(mapping.iova(), iova) >= 0
                        && Long.compareUnsigned(mapping.last(), iova + length - 1) <= 0;
            }
        }
        if (expect(
                "unmap " + iova + " " + length,
                some && possible ? null : Errno.ENOENT,
                () -> map.unmap(iova, length, hardware))) {
            for (int index = 0; index < length; index++) {
                owners.remove(iova + index);
            }
        }
    }

    private void read(long iova, int length) {
        @Nullable DmaMapping mapping = soleOwner(iova, length);
        ByteBuffer read = ByteBuffer.allocate(length);
        boolean permitted = mapping != null && mapping.readable();
        if (expect("read " + iova + " " + length, permitted ? null : Errno.EFAULT, () -> map.read(iova, read))) {
            for (int index = 0; index < length; index++) {
                assertThat(read.get(index))
                        .as("%s, byte at %x", name, iova + index)
                        .isEqualTo(content.get(iova + index));
            }
        }
    }

    private void write(long iova, int length) {
        @Nullable DmaMapping mapping = soleOwner(iova, length);
        byte[] data = new byte[length];
        random.nextBytes(data);
        boolean permitted = mapping != null && mapping.writable();
        if (expect(
                "write " + iova + " " + length,
                permitted ? null : Errno.EFAULT,
                () -> map.write(iova, ByteBuffer.wrap(data)))) {
            for (int index = 0; index < length; index++) {
                content.put(iova + index, data[index]);
            }
        }
    }

    private @Nullable DmaMapping soleOwner(long iova, int length) {
        @Nullable DmaMapping owner = owners.get(iova);
        for (int index = 0; index < length; index++) {
            // Behind the last address nothing follows, even if 0 is mapped.
            if (!Objects.equals(owners.get(iova + index), owner) || Long.compareUnsigned(iova + index, iova) < 0) {
                return null;
            }
        }
        return owner;
    }

    /** Makes the call; tells whether it succeeded, as it should. */
    private boolean expect(String call, @Nullable Errno errno, Runnable code) {
        @Nullable Errno seen = null;
        try {
            code.run();
            accepted++;
        } catch (VfioException e) {
            seen = e.errno();
        }
        assertThat(seen).as("%s, %s", name, call).isEqualTo(errno);
        return errno == null;
    }
}
