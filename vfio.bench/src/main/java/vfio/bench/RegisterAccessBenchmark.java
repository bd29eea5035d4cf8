package vfio.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.osgi.framework.BundleException;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciRegion;

/** A 4-byte register access in process: what the core costs, and what a mediation that counts costs on top. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(3)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class RegisterAccessBenchmark {
    /** VFGEN_RSTAT. */
    private static final int OFFSET = 0x8800;

    /** How an access reaches the hardware. */
    public enum Route {
        /** Directly, without the core. */
        HARDWARE,
        /** Through the core, with no vendor driver. */
        PASSED_THROUGH,
        /** Through the core and the i40e driver. */
        MEDIATED
    }

    /** The route that is measured. */
    @Param
    public Route route = Route.HARDWARE;

    private final RegionAccess access = new RegionAccess();
    private final ByteBuffer data = ByteBuffer.allocateDirect(64).order(ByteOrder.LITTLE_ENDIAN);
    private final FixedHardware hardware = new FixedHardware();

    private Consumer<RegionAccess> reader = hardware::read;
    private Consumer<RegionAccess> writer = hardware::write;
    private @Nullable WorkFolder storage;
    private @Nullable EmbeddedRuntime runtime;
    private @Nullable OpenDevice device;

    /** Starts the runtime and opens the device. */
    @Setup
    public void open() throws BundleException, InterruptedException, IOException {
        if (route == Route.HARDWARE) {
            return;
        }
        storage = WorkFolder.create();
        runtime = EmbeddedRuntime.start(storage.path());
        OpenDevice opened = route == Route.MEDIATED ? runtime.openMediated() : runtime.openPassedThrough();
        device = opened;
        reader = opened::read;
        writer = opened::write;
    }

    /** Stops the runtime. */
    @TearDown
    public void close() throws BundleException, InterruptedException, IOException {
        if (device != null) {
            device.close();
        }
        if (runtime != null) {
            runtime.close();
        }
        if (storage != null) {
            storage.close();
        }
    }

    /** Reads a register. */
    @Benchmark
    public int read() {
        reader.accept(access.wrap(PciRegion.BAR0, OFFSET, Integer.BYTES, data, 0));
        return access.getInt(0);
    }

    /** Writes a register. */
    @Benchmark
    public void write() {
        writer.accept(access.wrap(PciRegion.BAR0, OFFSET, Integer.BYTES, data, 0));
    }
}
