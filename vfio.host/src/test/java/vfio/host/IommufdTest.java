package vfio.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;

/** The iommufd of a kernel that is not there. */
class IommufdTest {
    private static final int EVENTFD = Uapi.VFIO_IRQ_SET_DATA_EVENTFD | 1 << 5;
    private static final int READABLE = Uapi.IOMMU_IOAS_MAP_FIXED_IOVA | Uapi.IOMMU_IOAS_MAP_READABLE;
    private static final int BOTH = READABLE | Uapi.IOMMU_IOAS_MAP_WRITEABLE;

    @TempDir
    Path root;

    private final FakeKernel kernel = new FakeKernel();
    private final MappedMemory memory = MappedMemory.allocate("client", 0x10_0000);

    @BeforeEach
    void plant() {
        FakeSysfs tree = FakeSysfs.usual(root);
        FakeSysfs.folder(tree.device(FakeSysfs.VF0).resolve("vfio-dev/vfio3"));
        FakeSysfs.file(root.resolve("dev/vfio/devices/vfio3"), "");
        FakeSysfs.file(root.resolve("dev/iommu"), "");
        FakeSysfs.file(root.resolve("limits"), "Limit\nMax locked memory         65536                65536  bytes\n");
    }

    @AfterEach
    void nothingStaysOpen() {
        assertThat(kernel.open).isZero();
        kernel.registers.close();
        memory.close();
    }

    @Test
    void opensAndClosesInOrder() {
        OpenHostFunction function = open();
        assertThat(kernel.calls)
                .containsExactly(
                        "open iommu",
                        "open vfio3",
                        "iommufd of vfio3 is iommu",
                        "vfio3 attached to 42",
                        "ranges of 42",
                        "irqs " + EVENTFD + " 3 0+1",
                        "irqs " + EVENTFD + " 4 0+1");
        kernel.calls.clear();
        function.close();
        assertThat(kernel.calls).containsExactly("close vfio3", "close iommu");
    }

    @ParameterizedTest
    @ValueSource(strings = {"dev/iommu", "dev/vfio/devices/vfio3"})
    void takesGroupAndContainerIfTheKernelOffersOnlyThese(String missing) throws Exception {
        assertThat(opener().way(function())).isEqualTo("iommufd");
        Files.delete(root.resolve(missing));

        assertThat(opener().way(function())).isEqualTo("group and container");
        open().close();
        assertThat(kernel.calls).contains("open vfio", "open 7").doesNotContain("open iommu");
    }

    @Test
    void anOpenFunctionSaysHowItWasOpened() throws Exception {
        HostFunction function = new HostFunction(function(), List.of(), opener(), (lost, reason, forGood) -> {});
        Files.delete(root.resolve("dev/iommu"));
        Hardware opened = function.open(null);
        FakeSysfs.file(root.resolve("dev/iommu"), "");
        assertThat(function.openedThrough()).contains("group and container");
        opened.close();
        assertThat(function.openedThrough()).contains("iommufd");
    }

    @Test
    void mapsAndUnmapsTheSamePagesAtTheSameAddress() {
        try (OpenHostFunction function = open()) {
            kernel.calls.clear();
            DmaMapping both = new DmaMapping(0x1_0000_0000L, memory.size(), true, true, memory);
            DmaMapping readable = new DmaMapping(0x2_0000_0000L, memory.size(), true, false, memory);
            function.map(both);
            function.map(readable);
            function.unmap(both);
            assertThat(kernel.calls)
                    .containsExactly(
                            "map in 42 " + BOTH + " 0x100000000 0x100000",
                            "map in 42 " + READABLE + " 0x200000000 0x100000",
                            "unmap of 42 0x100000000 0x100000");
        }
    }

    @Test
    void moreThan4GiBAreMappedInOnePiece() {
        try (MappedMemory large = MappedMemory.allocate("large", 5L << 30);
                OpenHostFunction function = open()) {
            kernel.calls.clear();
            DmaMapping mapping = new DmaMapping(0x1_0000_0000L, large.size(), true, true, large);
            function.map(mapping);
            function.unmap(mapping);
            assertThat(kernel.calls)
                    .containsExactly(
                            "map in 42 " + BOTH + " 0x100000000 0x140000000", "unmap of 42 0x100000000 0x140000000");
        }
    }

    @ParameterizedTest
    @CsvSource({"0xfee00000, 0x1000", "0xfedff000, 0x2000", "0x7ffffff000, 0x2000", "0x1000, 0x800"})
    void refusesWhatTheIommuCannotMap(String iova, String size) {
        try (OpenHostFunction function = open()) {
            kernel.calls.clear();
            refused(
                    Errno.EINVAL,
                    () -> function.map(new DmaMapping(Long.decode(iova), Long.decode(size), true, true, memory)));
            assertThat(kernel.calls).isEmpty();
        }
    }

    @Test
    void saysHowMuchMemoryHasToBeLocked() {
        kernel.failures.put(Uapi.IOMMU_IOAS_MAP, Errno.ENOMEM);
        try (OpenHostFunction function = open()) {
            refused(Errno.ENOMEM, () -> function.map(new DmaMapping(0, memory.size(), true, true, memory)))
                    .hasMessageContaining("1048576 bytes of locked memory")
                    .hasMessageContaining("may lock 65536");
        }
    }

    @Test
    void believesNoMoreRangesThanThereWasRoomFor() {
        kernel.spaceRangeCount = 257;
        refused(Errno.EPROTO, this::open);
        kernel.spaceRangeCount = -1;
        refused(Errno.EPROTO, this::open);
    }

    @Test
    void failuresOfEachCallCloseWhatWasOpened() {
        for (KernelCall call : new KernelCall[] {
            KernelCall.DEVICE_BIND_IOMMUFD,
            KernelCall.IOAS_ALLOC,
            KernelCall.DEVICE_ATTACH_IOMMUFD_PT,
            KernelCall.IOAS_IOVA_RANGES
        }) {
            kernel.failures.put(call.request(), Errno.EBUSY);
            refused(Errno.EBUSY, this::open).hasMessageContaining(call.what());
            assertThat(kernel.open).isZero();
            kernel.failures.clear();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "dev/iommu, ENODEV, modprobe iommufd",
        "dev/iommu, EACCES, read and write it",
        "dev/vfio/devices/vfio3, EACCES, chown",
    })
    void saysWhatToDoIfAPathCannotBeOpened(String path, Errno errno, String advice) {
        kernel.failures.put(root.resolve(path).toString(), errno);
        refused(errno, this::open).hasMessageContaining(path).hasMessageContaining(advice);
    }

    @ParameterizedTest
    @CsvSource({
        "EBUSY, another program has its group",
        "EINVAL, still has a descriptor",
        "EPERM, interrupt remapping",
        "ENODEV, vfio:bind"
    })
    void saysWhatToDoIfTheDeviceCannotBeBound(Errno errno, String advice) {
        kernel.failures.put(Uapi.VFIO_DEVICE_BIND_IOMMUFD, errno);
        refused(errno, this::open).hasMessageContaining(advice);
    }

    private OpenHostFunction open() {
        return opener().open(function(), index -> {}, closed -> {});
    }

    private KernelOpener opener() {
        return new KernelOpener(
                root.resolve("dev/vfio"),
                new Sysfs(root),
                kernel::open,
                new LockedMemory(root.resolve("limits")),
                true);
    }

    private SysfsFunction function() {
        return new Sysfs(root).require(FakeSysfs.VF0);
    }

    private static AbstractThrowableAssert<?, ?> refused(Errno errno, ThrowingCallable call) {
        return assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(errno));
    }
}
