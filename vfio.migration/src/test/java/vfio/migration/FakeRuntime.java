package vfio.migration;

import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import migration.region.DirtyBitmap;
import migration.region.Migration;
import migration.region.SavedState;
import migration.region.SavedState.Origin;
import migration.region.SavedState.Section;
import org.jspecify.annotations.Nullable;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** A runtime with one device that is open, with memory of its client; what it does not need is not there. */
final class FakeRuntime {
    static final PciAddress ADDRESS = PciAddress.parse("0000:03:02.0");
    static final PciIds IDS = new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2);
    static final int PAGE = 4096;

    final byte[] memory;
    final byte[] fresh;
    final AtomicInteger resets = new AtomicInteger();
    final AtomicInteger copies = new AtomicInteger();
    final Migration migration;

    /** The states with which it was let run, other than by a reset. */
    final List<byte[]> ran = new CopyOnWriteArrayList<>();

    volatile byte[] state;
    volatile boolean running = true;
    volatile boolean open = true;
    volatile boolean busMaster;
    volatile String broken = "";
    /** What {@link #memory} is a copy of, if its client shares it. */
    volatile @Nullable MappedMemory shared;

    private volatile PciIds ids = IDS;
    private volatile @Nullable DirtyBitmap log;

    FakeRuntime(int pages, byte... state) {
        memory = new byte[pages * PAGE];
        fresh = state.clone();
        this.state = state;
        migration = new Migration(new Origin(IDS, "fake", 1, PAGE), true, new Device());
    }

    /** Its device is another one. */
    FakeRuntime with(PciIds other) {
        ids = other;
        return this;
    }

    /** The device writes to client memory. */
    void dma(int offset, int value) {
        memory[offset] = (byte) value;
        DirtyBitmap bitmap = log;
        if (bitmap != null) {
            bitmap.mark(offset, 1);
        }
    }

    DeviceManager manager() {
        return proxy(DeviceManager.class, (name, arguments) -> switch (name) {
            case "opened" -> open ? Optional.of(device()) : Optional.empty();
            default -> throw new UnsupportedOperationException(name);
        });
    }

    OpenDevice device() {
        return proxy(OpenDevice.class, (name, arguments) -> switch (name) {
            case "device" -> proxy(PciDevice.class, (asked, none) -> asked.equals("ids") ? ids : ADDRESS);
            case "migration" -> migration.as((String) arguments[0]);
            case "mappings" ->
                memory.length == 0 ? List.of() : List.of(new DmaMapping(0, memory.length, true, true, null));
            case "memory" -> new Memory();
            case "read" -> {
                ((RegionAccess) arguments[0]).setValue(busMaster ? 4 : 0);
                yield null;
            }
            case "reset" -> {
                resets.incrementAndGet();
                state = fresh.clone();
                running = true;
                migration.reset();
                yield null;
            }
            default -> throw new UnsupportedOperationException(name);
        });
    }

    private final class Memory implements DmaSpace {
        @Override
        public void read(long iova, ByteBuffer destination) {
            copies.incrementAndGet();
            destination.put(memory, (int) iova, destination.remaining());
        }

        @Override
        public void write(long iova, ByteBuffer source) {
            copies.incrementAndGet();
            source.get(memory, (int) iova, source.remaining());
        }

        @Override
        public int lend(long iova, int length, boolean toWrite, Borrower borrower) {
            MappedMemory lent = shared;
            return lent == null ? -1 : borrower.use(lent, iova);
        }
    }

    private final class Device implements Migration.Device {
        @Override
        public void stop() {
            running = false;
        }

        @Override
        public void run() {
            fail("run");
            ran.add(state);
            running = true;
        }

        @Override
        public List<Section> save() {
            fail("save");
            return List.of(new Section("all", false, state));
        }

        @Override
        public Set<String> sections() {
            return Set.of("all");
        }

        @Override
        public void load(SavedState loaded) {
            fail("load");
            state = loaded.section("all");
        }

        @Override
        public DirtyBitmap track(long pageSize, List<DmaRange> ranges) {
            fail("track");
            DirtyBitmap started = new DirtyBitmap(PAGE, ranges);
            log = started;
            return started;
        }

        @Override
        public void untrack() {
            log = null;
        }

        private void fail(String call) {
            if (call.equals(broken)) {
                throw new VfioException(Errno.EIO, call + " fails");
            }
        }
    }

    boolean isLogged() {
        return log != null;
    }

    private interface Answer {
        @Nullable
        Object to(String method, Object[] arguments);
    }

    private static <T> T proxy(Class<T> type, Answer answer) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(),
                new Class<?>[] {type},
                (proxy, method, arguments) -> answer.to(method.getName(), arguments)));
    }
}
