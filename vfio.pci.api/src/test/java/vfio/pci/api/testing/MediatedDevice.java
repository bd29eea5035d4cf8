package vfio.pci.api.testing;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.pci.PciRegion;

/**
 * A {@link FakeDevice} in use, with the mediation under test in front. The test is the client, the administrator and the
 * clock.
 *
 * <p>Accesses may be made by several threads at once; whoever suspends or closes must see to it that none is under way. What
 * is out of range fails with EINVAL, what is not permitted with EACCES, as for a real client; such accesses never reach the
 * mediation.
 */
public final class MediatedDevice implements AutoCloseable {
    private final FakeDevice device;
    private final Hardware hardware;
    private final Trapping trapping;
    private final TrapState traps = new TrapState();

    /** Regions whose memory the client has from a mediation, not from the hardware. */
    private final Set<Integer> lentByMediation = ConcurrentHashMap.newKeySet();

    private volatile @Nullable ClientView client;
    private volatile @Nullable Layer layer;
    private Optional<HandOverState> left;
    private boolean closed;

    MediatedDevice(FakeDevice device, Trapping trapping, Optional<HandOverState> left) {
        this.device = device;
        this.trapping = trapping;
        this.left = left;
        hardware = device.open(device.memory());
    }

    /** The mediation that has the device. */
    public Mediation mediation() {
        return layer().mediation();
    }

    /** Number of regions, those that the mediation added included. */
    public int regionCount() {
        return client().regions().size();
    }

    /** A region as the client sees it: disablable areas are left out while they are to be trapped. */
    public RegionInfo regionInfo(int region) {
        RegionInfo known = known(region);
        return traps.hidesAreas() ? ClientView.withoutDisablable(known) : known;
    }

    /** Reads one byte, zero-extended. */
    public int readByte(int region, long offset) {
        return (int) readNumber(region, offset, Byte.BYTES);
    }

    /** Reads two bytes, zero-extended. */
    public int readShort(int region, long offset) {
        return (int) readNumber(region, offset, Short.BYTES);
    }

    /** Reads four bytes. */
    public int readInt(int region, long offset) {
        return (int) readNumber(region, offset, Integer.BYTES);
    }

    /** Reads eight bytes. */
    public long readLong(int region, long offset) {
        return readNumber(region, offset, Long.BYTES);
    }

    /** Reads bytes in one access. */
    public byte[] read(int region, long offset, int length) {
        byte[] data = new byte[length];
        access(Flag.READ, region, offset, ByteBuffer.wrap(data));
        return data;
    }

    /** Writes one byte. */
    public void writeByte(int region, long offset, int value) {
        writeNumber(region, offset, Byte.BYTES, value);
    }

    /** Writes two bytes. */
    public void writeShort(int region, long offset, int value) {
        writeNumber(region, offset, Short.BYTES, value);
    }

    /** Writes four bytes. */
    public void writeInt(int region, long offset, int value) {
        writeNumber(region, offset, Integer.BYTES, value);
    }

    /** Writes eight bytes. */
    public void writeLong(int region, long offset, long value) {
        writeNumber(region, offset, Long.BYTES, value);
    }

    /** Writes bytes in one access. */
    public void write(int region, long offset, byte[] data) {
        access(Flag.WRITE, region, offset, ByteBuffer.wrap(data.clone()));
    }

    /**
     * The memory that the client maps for a region: that of the mediation, or else that of the hardware; null if nothing of
     * the region may be mapped.
     */
    public @Nullable SharedMemory mmap(int region) {
        RegionInfo info = known(region);
        if (info.mappableAreas().isEmpty()) {
            return null;
        }
        SharedMemory own = VendorCall.request(
                        "mmap", () -> Optional.ofNullable(mediation().mmap(region)))
                .orElse(null);
        if (own == null) {
            return region < hardware.regionCount() ? hardware.memory(region) : null;
        }
        if (own.size() < info.size()) {
            throw new AssertionError(
                    "the memory that the mediation gave for " + PciRegion.name(region) + " is smaller than the region");
        }
        lentByMediation.add(region);
        return own;
    }

    /** What the mediation counts. */
    public Map<String, Long> counters() {
        return Map.copyOf(VendorCall.request("counters", () -> mediation().counters()));
    }

    /** Asks the mediation to watch, or no longer, which pages of client memory the device writes. */
    public void track(boolean tracking) {
        VendorCall.request("track", () -> {
            mediation().track(tracking);
            return Result.DONE;
        });
    }

    /**
     * The device in the hands of one who moves it. As in use, an error the driver throws fails the test.
     *
     * @throws VfioException ENOTTY if the driver cannot move it
     */
    public Migratable migration(String user) {
        return VendorCall.request("migration", () -> mediation().migration(user))
                .orElseThrow(() -> new VfioException(Errno.ENOTTY, "the driver does not move " + device));
    }

    /** The device fires an interrupt; the driver hears of it if it wants to. */
    public void interrupt(int index, int vector) {
        Layer current = layer();
        if (current.context().relays()) {
            VendorCall.duty("interrupt", () -> {
                current.mediation().interrupt(index, vector);
                return current;
            });
        }
    }

    /** The client resets the device, other than by a register; the registers of the fake device stay as they are. */
    public void reset() {
        VendorCall.duty("reset", () -> {
            mediation().reset();
            return Result.DONE;
        });
    }

    /**
     * Asks on the administrator's behalf that disablable areas be trapped, or no longer.
     *
     * @throws VfioException EOPNOTSUPP if they cannot be
     */
    public void requestTrap(boolean trapped) {
        layer();
        tell(traps.administratorAsks(trapped));
    }

    /** Whether a request to trap waits for the client. */
    public boolean isTrapPending() {
        return traps.pending();
    }

    /** Whether every access to disablable areas is trapped for certain. */
    public boolean isTrapped() {
        return traps.inForce();
    }

    /**
     * The client confirms that it has unmapped the disablable areas.
     *
     * @throws IllegalStateException if no request to trap waits for that
     */
    public void confirmTrap() {
        layer();
        tell(traps.confirm());
    }

    /**
     * The client does not confirm in time.
     *
     * @throws IllegalStateException if no request to trap waits for that
     */
    public void missTrap() {
        layer();
        tell(traps.miss());
    }

    /**
     * The driver leaves: its mediation is suspended and closed. Accesses would wait for a successor from now on; here they
     * fail with IllegalStateException until one is {@linkplain #offer offered}.
     *
     * @return what it left
     * @throws AssertionError if suspend throws or returns null, which costs the device at run time, or if close throws
     */
    public Optional<HandOverState> suspend() {
        Layer leaving = layer();
        Optional<HandOverState> state =
                VendorCall.duty("suspend", () -> leaving.mediation().suspend());
        end(leaving);
        left = state;
        return state;
    }

    /**
     * Asks a driver to take the device over, with what was left. If it does not, another can be asked. May be called while
     * nobody has the device only.
     */
    public Verdict offer(MediateOps successor) {
        Layer.Asked asked = ask(successor);
        asked.layer().ifPresent(this::adopt);
        return asked.verdict();
    }

    /**
     * Hands the device over to another driver, as when its bundle is updated: suspend, close, open with what was left.
     *
     * @throws AssertionError with the verdict if the successor does not get the device, and as for {@link #suspend}
     */
    public void handOver(MediateOps successor) {
        suspend();
        take(successor);
    }

    /** Closes the mediation, if one has the device, and the hardware. Idempotent. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        Layer ending = layer;
        try {
            if (ending != null) {
                end(ending);
            }
        } finally {
            hardware.close();
        }
    }

    /** Asks a driver that must accept. */
    void take(MediateOps ops) {
        adopt(ask(ops).accepted("the driver did not get " + device));
    }

    private Layer.Asked ask(MediateOps ops) {
        requireOpen();
        if (layer != null) {
            throw new IllegalStateException("a mediation has the device; suspend it first");
        }
        FakeContext context = new FakeContext(device, hardware, traps, left);
        return Layer.ask(ops, context, hardware, left, this::objection);
    }

    private void adopt(Layer next) {
        ClientView view = client;
        if (view == null) {
            view = ClientView.of(next.regions(), trapping);
            client = view;
        }
        layer = next;
        left = Optional.empty();
        tell(traps.adopt(TrapState.mode(next.regions(), view), next.context().hold()));
    }

    private void end(Layer ending) {
        layer = null;
        try {
            VendorCall.duty("close", () -> {
                ending.mediation().close();
                return ending;
            });
        } finally {
            ending.context().invalidate();
        }
    }

    /** Why a layout does not fit to what the client knows. */
    private Optional<String> objection(List<RegionInfo> offered) {
        ClientView view = client;
        if (view == null) {
            return Optional.empty();
        }
        return lentByMediation.stream()
                .findAny()
                .map(region -> "the client has mapped memory of " + PciRegion.name(region)
                        + " that belonged to the driver before")
                .or(() -> view.objection(offered, hardware.regionCount()));
    }

    private long readNumber(int region, long offset, int width) {
        ByteBuffer data = number();
        access(Flag.READ, region, offset, data.limit(width));
        return data.limit(Long.BYTES).getLong(0);
    }

    private void writeNumber(int region, long offset, int width, long value) {
        access(Flag.WRITE, region, offset, number().putLong(0, value).limit(width));
    }

    private static ByteBuffer number() {
        return ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Checks, asks the mediation, and goes on to the hardware with the same access if told so. */
    private void access(Flag direction, int region, long offset, ByteBuffer data) {
        int length = data.remaining();
        RegionAccess access = new RegionAccess().wrap(region, offset, length, data.order(ByteOrder.LITTLE_ENDIAN), 0);
        RegionRules.access(access, known(region), direction);
        Layer current = layer();
        if (region >= current.regions().size()) {
            throw unanswered(region);
        }
        boolean reads = direction == Flag.READ;
        Result result = VendorCall.request(
                reads ? "read" : "write",
                () -> reads
                        ? current.mediation().read(access)
                        : current.mediation().write(access));
        if (result == Result.DONE) {
            return;
        }
        if (access.region() != region || access.offset() != offset || access.length() != length) {
            throw new AssertionError("the mediation redirected an access, which it may not");
        }
        if (region >= hardware.regionCount()) {
            throw unanswered(region);
        }
        if (reads) {
            hardware.read(access);
        } else {
            hardware.write(access);
        }
    }

    private static VfioException unanswered(int region) {
        return new VfioException(Errno.EIO, "region " + region + " exists in a mediation alone and was not answered");
    }

    private void tell(TrapState.News news) {
        if (news != TrapState.News.NONE) {
            VendorCall.duty("trapChanged", () -> {
                mediation().trapChanged(news == TrapState.News.TRAPPED);
                return news;
            });
        }
    }

    private RegionInfo known(int region) {
        List<RegionInfo> regions = client().regions();
        return regions.get(RegionRules.index(region, regions.size()));
    }

    private ClientView client() {
        return Objects.requireNonNull(client, "no driver has accepted the device so far");
    }

    private Layer layer() {
        requireOpen();
        Layer current = layer;
        if (current == null) {
            throw new IllegalStateException("no driver has the device; offer it to one");
        }
        return current;
    }

    private void requireOpen() {
        if (closed) {
            throw new VfioException(Errno.ENODEV, "the device has been closed");
        }
    }
}
