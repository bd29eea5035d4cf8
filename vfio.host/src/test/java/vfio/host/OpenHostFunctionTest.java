package vfio.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import vfio.linux.EventFd;
import vfio.linux.MappedMemory;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.SparseArea;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/** An open function over a kernel that is not there: what it is asked, what its answers mean, and what its failures become. */
@Timeout(60)
class OpenHostFunctionTest {
    private static final int EVENTFD = Uapi.VFIO_IRQ_SET_DATA_EVENTFD | 1 << 5;
    private static final int NONE = Uapi.VFIO_IRQ_SET_DATA_NONE | 1 << 5;

    @TempDir
    Path root;

    private final FakeKernel kernel = new FakeKernel();
    private final List<MappedMemory> memories = new ArrayList<>();
    private final CountDownLatch lost = new CountDownLatch(1);
    private FakeSysfs tree;
    private boolean mapping = true;

    @BeforeEach
    void plant() {
        tree = FakeSysfs.usual(root);
        FakeSysfs.file(root.resolve("limits"), "Limit\nMax locked memory         65536                65536  bytes\n");
    }

    @AfterEach
    void nothingStaysOpen() {
        assertThat(kernel.open).isZero();
        kernel.registers.close();
        memories.forEach(MappedMemory::close);
    }

    @Test
    void opensAndClosesInOrder() {
        OpenHostFunction function = open();
        assertThat(kernel.calls)
                .containsExactly(
                        "open vfio",
                        "open 7",
                        "container of 7 is vfio",
                        "iommu 3",
                        "device 0000:01:10.0",
                        "irqs " + EVENTFD + " 3 0+1",
                        "irqs " + EVENTFD + " 4 0+1");
        kernel.calls.clear();
        function.close();
        function.close();
        assertThat(kernel.calls).containsExactly("close 0000:01:10.0", "close 7", "close vfio");
        refused(Errno.ENODEV, () -> function.read(access(0, 0, 4)));
    }

    @ParameterizedTest
    @CsvSource({
        "vfio, ENOENT, modprobe vfio-pci",
        "vfio, EACCES, let the user of the runtime",
        "7, EPERM, device cgroup",
        "7, EACCES, chown",
        "7, EBUSY, one user only",
        "7, ENOENT, vfio:bind",
    })
    void saysWhatToDoIfAPathCannotBeOpened(String name, Errno errno, String advice) {
        kernel.failures.put(root.resolve("dev").resolve(name).toString(), errno);
        refused(errno, this::open).hasMessageContaining(name).hasMessageContaining(advice);
    }

    @Test
    void everyFailureNamesCallSubjectAndNextStep() {
        List<KernelCall> table = List.of(
                KernelCall.GROUP_SET_CONTAINER,
                KernelCall.SET_IOMMU,
                KernelCall.GROUP_GET_DEVICE_FD,
                KernelCall.DEVICE_SET_IRQS);
        for (KernelCall call : table) {
            call.nextSteps().forEach((errno, advice) -> {
                kernel.failures.clear();
                kernel.failures.put(call.request(), errno);
                refused(errno, this::open)
                        .hasMessageContaining(call.what())
                        .hasMessageMatching("(?s).*(0000:01:10.0|/7) .*")
                        .hasMessageEndingWith(advice);
                assertThat(kernel.open).isZero();
            });
        }
        kernel.failures.clear();
        kernel.failures.put(Uapi.VFIO_DEVICE_GET_INFO, Errno.EIO);
        refused(Errno.EIO, this::open).hasMessage("VFIO_DEVICE_GET_INFO of 0000:01:10.0 failed with EIO");
    }

    @Test
    void saysWhoKeepsTheGroupFromBeingViable() {
        tree.group(FakeSysfs.VF1, 7);
        kernel.answers.put(Uapi.VFIO_GROUP_GET_STATUS, FakeKernel.structure(Uapi.GROUP_STATUS_SIZE));
        refused(Errno.EINVAL, this::open)
                .hasMessageContaining("0000:01:10.2 is bound to igbvf; run vfio:bind 0000:01:10.2");
    }

    @Test
    void regionsAreAsTheKernelSays() {
        // Sparse areas [0, 0x1000) and [0x3000, 0x4000); then type and MSI-X mappable.
        kernel.region(
                0,
                7,
                0x4000,
                1 | 1 << 16,
                80,
                2,
                0,
                0,
                0,
                0x1000,
                0,
                0x3000,
                0,
                0x1000,
                0,
                2 | 1 << 16,
                96,
                0x80008086,
                1,
                3 | 1 << 16,
                0);
        kernel.region(2, 3, 0x200);
        kernel.region(4, 7, 0x20);
        try (OpenHostFunction function = open()) {
            RegionInfo bar = function.regionInfo(0);
            assertThat(bar.areas()).containsExactly(SparseArea.direct(0, 0x1000), SparseArea.direct(0x3000, 0x1000));
            assertThat(bar.type()).isEqualTo(0x80008086);
            assertThat(bar.subtype()).isEqualTo(1);
            assertThat(function.regionCount()).isEqualTo(FakeKernel.REGIONS);
            assertThat(function.regionInfo(1).size()).isZero();
            assertThat(function.regionInfo(2)).isEqualTo(RegionInfo.trapped(2, 0x200));
            assertThat(function.regionInfo(4).mappableAreas())
                    .as("not whole pages")
                    .isEmpty();
            assertThat(function.memory(2)).isNull();
            MappedMemory memory = (MappedMemory) function.memory(0);
            assertThat(memory.size()).isEqualTo(0x4000);
            assertThat(memory.fileOffset()).isZero();
        }
    }

    @Test
    void whatTheKernelDoesNotKnowIsAbsent() {
        kernel.irqs.remove(PciInterrupt.ERR);
        try (OpenHostFunction function = open()) {
            assertThat(function.regionInfo(PciRegion.VGA)).isEqualTo(RegionInfo.absent(PciRegion.VGA));
            assertThat(function.interruptInfo(PciInterrupt.ERR)).isEqualTo(InterruptInfo.absent(PciInterrupt.ERR));
            assertThat(kernel.calls).noneMatch(call -> call.startsWith("irqs " + EVENTFD + " 3"));
        }
    }

    @Test
    void brokenChainsAreRefused() {
        for (int[] words : new int[][] {
            {1 | 1 << 16, 32, 0, 0}, // points to itself
            {1 | 1 << 16, 4000, 0, 0}, // leaves the structure
            {1 | 1 << 16, -8, 0, 0},
            {1 | 1 << 16, 0, 1000, 0}, // more areas than there are
            {1 | 1 << 16, 0, -1, 0},
            {2 | 1 << 16, 0}, // too short
        }) {
            kernel.region(0, 7, 0x4000, words);
            refused(Errno.EPROTO, this::open);
            assertThat(kernel.open).isZero();
        }
    }

    @Test
    void accessesReachTheFile() {
        try (OpenHostFunction function = open()) {
            for (int width : new int[] {1, 2, 4, 8, 24}) {
                RegionAccess written = access(0, 0x100, width);
                for (int index = 0; index < width; index++) {
                    written.put(index, (byte) (width + index));
                }
                function.write(written);
                RegionAccess read = access(0, 0x100, width);
                function.read(read);
                for (int index = 0; index < width; index++) {
                    assertThat(read.get(index)).isEqualTo((byte) (width + index));
                }
            }
            assertThat(kernel.registers.getByte(0x100)).isEqualTo((byte) 24);
            kernel.registers.putShort((7L << FakeKernel.REGION_SHIFT << 2) + PciConfig.COMMAND, 7);
            function.stopDma();
            assertThat(kernel.registers.getShort((7L << FakeKernel.REGION_SHIFT << 2) + PciConfig.COMMAND))
                    .isEqualTo(3);
        }
    }

    @Test
    void nothingCanBeMappedIfThatIsForbidden() {
        mapping = false;
        try (OpenHostFunction function = open()) {
            assertThat(function.regionInfo(0).is(RegionInfo.Flag.MMAP)).isFalse();
            assertThat(function.memory(0)).isNull();
        }
    }

    @Test
    void theKernelGetsTheUsersOwnEventfd() {
        EventFd first = EventFd.create();
        EventFd third = EventFd.create();
        OpenHostFunction function = open();
        function.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, Arrays.asList(first, null, third));
        assertThat(kernel.events.get("2.0")).isSameAs(first);
        assertThat(kernel.events.get("2.1")).isNull();
        assertThat(kernel.events.get("2.2")).isSameAs(third);

        EventFd other = EventFd.create();
        function.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, List.of(other));
        assertThat(kernel.events.get("2.0")).isSameAs(other);
        assertClosed(first);
        function.act(PciInterrupt.MSIX, InterruptAction.TRIGGER, 2, 1);
        assertThat(kernel.calls).last().isEqualTo("irqs " + NONE + " 2 2+1");
        function.disable(PciInterrupt.MSIX);
        assertThat(kernel.calls).last().isEqualTo("irqs " + NONE + " 2 0+0");
        assertClosed(other);
        assertClosed(third);
        kernel.calls.clear();
        function.disable(PciInterrupt.MSIX);
        function.disable(PciInterrupt.MSI);
        function.act(PciInterrupt.INTX, InterruptAction.UNMASK, 0, 1);
        assertThat(kernel.calls).as("calls for what is not enabled").isEmpty();
        function.close();
    }

    @Test
    void aSetOfVectorsGrows() {
        try (OpenHostFunction function = open();
                EventFd second = EventFd.create()) {
            EventFd first = EventFd.create();
            function.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, List.of(first));
            kernel.calls.clear();
            function.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 1, List.of(second));
            assertThat(kernel.calls).containsExactly("irqs " + NONE + " 2 0+0", "irqs " + EVENTFD + " 2 0+2");
            assertThat(kernel.events.get("2.0")).isSameAs(first);
            assertThat(kernel.events.get("2.1")).isSameAs(second);
        }
    }

    @Test
    void whatTheKernelRefusesStaysTheCallers() {
        try (OpenHostFunction function = open();
                EventFd event = EventFd.create()) {
            kernel.failures.put(Uapi.VFIO_DEVICE_SET_IRQS, Errno.ENOSPC);
            refused(Errno.ENOSPC, () -> function.connect(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, List.of(event)))
                    .hasMessageContaining("MSI-X of 0000:01:10.0")
                    .hasMessageContaining("no interrupt vectors left");
            event.signal();
            assertThat(event.drain()).isEqualTo(1);
            refused(Errno.EINVAL, () -> function.connect(PciInterrupt.INTX, InterruptAction.MASK, 0, List.of(event)));
        }
    }

    @Test
    void aSignalThatIsNoEventfdIsToldByAThread() throws Exception {
        CountDownLatch told = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        Signal signal = new Signal() {
            @Override
            public void signal() {
                told.countDown();
            }

            @Override
            public void close() {
                closed.countDown();
            }
        };
        OpenHostFunction function = open();
        function.connect(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, List.of(signal));
        kernel.events.get("1.0").signal();
        assertThat(told.await(20, TimeUnit.SECONDS)).isTrue();
        function.close();
        assertThat(closed.getCount()).isZero();
    }

    @Test
    void aLossIsToldToTheUserAndToTheBus() throws Exception {
        EventFd request = EventFd.create();
        try (OpenHostFunction function = open();
                EventFd copy = EventFd.of(request.duplicateDescriptor())) {
            function.connect(PciInterrupt.REQ, InterruptAction.TRIGGER, 0, List.of(request));
            assertThat(kernel.events.get("4.0")).isNotSameAs(request);
            kernel.events.get("4.0").signal();
            assertThat(lost.await(20, TimeUnit.SECONDS)).isTrue();
            assertThat(copy.await(Duration.ofSeconds(20))).isTrue();
            function.disable(PciInterrupt.REQ);
            assertThat(kernel.events).containsKey("4.0");
        }
    }

    @Test
    void clientMemoryIsMappedAtTheSameAddress() {
        try (OpenHostFunction function = open()) {
            DmaMapping mapping = dma(0x10_0000, 0x2000, false);
            function.map(mapping);
            function.unmap(mapping);
            function.map(new DmaMapping(0xfffc_0000L, 0x4_0000, true, false, null));
            assertThat(kernel.calls).endsWith("map 1 0x100000 0x2000", "unmap 0x100000 0x2000");
        }
    }

    @Test
    void moreThan4GiBAreMappedInOnePiece() {
        try (OpenHostFunction function = open()) {
            DmaMapping mapping = dma(0x1_0000_0000L, 5L << 30, true);
            function.map(mapping);
            function.unmap(mapping);
            assertThat(kernel.calls).endsWith("map 3 0x100000000 0x140000000", "unmap 0x100000000 0x140000000");
        }
    }

    @Test
    void saysWhyMemoryCannotBeMapped() {
        try (OpenHostFunction function = open()) {
            refused(Errno.EINVAL, () -> function.map(dma(0x800, 0x1000, true))).hasMessageContaining("pages of 4096");
            refused(Errno.EINVAL, () -> function.map(dma(0xfee0_0000L, 0x1000, true)))
                    .hasMessageContaining("MSI")
                    .hasMessageContaining("0x0-0xfedfffff, 0xfef00000-0x7fffffffff");
            refused(Errno.EINVAL, () -> function.map(dma(0x7f_ffff_f000L, 0x2000, true)));
            refused(Errno.EINVAL, () -> function.map(new DmaMapping(0, 0x1000, true, true, null)))
                    .hasMessageContaining("memory-backend-memfd");
            function.map(dma(0, 0x3000, true));
            kernel.failures.put(Uapi.VFIO_IOMMU_MAP_DMA, Errno.ENOMEM);
            refused(Errno.ENOMEM, () -> function.map(dma(0x1_0000, 0x2000, true)))
                    .hasMessageContaining("needs 20480 bytes")
                    .hasMessageContaining("may lock 65536")
                    .hasMessageContaining("LimitMEMLOCK");
            KernelCall.IOMMU_MAP_DMA.nextSteps().forEach((errno, advice) -> {
                kernel.failures.put(Uapi.VFIO_IOMMU_MAP_DMA, errno);
                refused(errno, () -> function.map(dma(0x1_0000, 0x2000, true)))
                        .hasMessageContaining("VFIO_IOMMU_MAP_DMA of [0x10000, +0x2000) for 0000:01:10.0")
                        .hasMessageEndingWith(advice);
            });
        }
    }

    @Test
    void nothingIsLeftOpen() throws Exception {
        openWithInterrupts();
        long before = openFiles();
        for (int round = 0; round < 50; round++) {
            openWithInterrupts();
            kernel.failures.put(Uapi.VFIO_DEVICE_SET_IRQS, Errno.EIO);
            refused(Errno.EIO, this::open);
            kernel.failures.clear();
        }
        Awaitility.await("threads let go").until(() -> openFiles() <= before);
    }

    private void openWithInterrupts() {
        try (OpenHostFunction function = open()) {
            function.connect(PciInterrupt.MSI, InterruptAction.TRIGGER, 0, List.of(EventFd.create()));
            function.connect(PciInterrupt.REQ, InterruptAction.TRIGGER, 0, List.of(EventFd.create()));
            function.map(new DmaMapping(0xfffc_0000L, 0x4_0000, true, false, null));
        }
    }

    private static long openFiles() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
            return files.count();
        }
    }

    @Test
    void resetsAloneOrNotAtAll() {
        try (OpenHostFunction function = open()) {
            assertThat(function.resettable()).isTrue();
            function.reset();
            assertThat(kernel.calls).last().isEqualTo("reset 0");
        }
        kernel.answers.get(Uapi.VFIO_DEVICE_GET_INFO).putInt(Uapi.FLAGS, Uapi.VFIO_DEVICE_FLAGS_PCI);
        try (OpenHostFunction function = open()) {
            assertThat(function.resettable()).isFalse();
            refused(Errno.EOPNOTSUPP, function::reset)
                    .hasMessageContaining("only together with 0000:00:06.0, 0000:00:06.1");
        }
    }

    private OpenHostFunction open() {
        Sysfs sysfs = new Sysfs(root);
        KernelOpener opener = new KernelOpener(
                root.resolve("dev"), sysfs, kernel::open, new LockedMemory(root.resolve("limits")), mapping);
        return opener.open(sysfs.require(FakeSysfs.VF0), index -> lost.countDown(), closed -> {});
    }

    private DmaMapping dma(long iova, long size, boolean writable) {
        MappedMemory memory = MappedMemory.allocate("client", size);
        memories.add(memory);
        return new DmaMapping(iova, size, true, writable, memory);
    }

    private static RegionAccess access(int region, long offset, int length) {
        return new RegionAccess()
                .wrap(region, offset, length, ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN), 0);
    }

    private static void assertClosed(EventFd event) {
        refused(Errno.EBADF, event::drain);
    }

    private static AbstractThrowableAssert<?, ?> refused(Errno errno, ThrowingCallable call) {
        return assertThatThrownBy(call).isInstanceOfSatisfying(VfioException.class, e -> assertThat(e.errno())
                .isEqualTo(errno));
    }
}
