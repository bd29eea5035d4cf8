package migration.region;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import migration.region.SavedState.Section;
import vfio.pci.api.device.DmaRange;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** A device whose state is some bytes. */
final class FakeDevice implements Migration.Device {
    final List<String> calls = new ArrayList<>();
    final DirtyBitmap dirty;
    byte[] state;
    String broken = "";
    String brokenToo = "";
    Errno errno = Errno.EIO;

    FakeDevice(DirtyBitmap dirty, byte... state) {
        this.dirty = dirty;
        this.state = state;
    }

    @Override
    public void stop() {
        call("stop");
    }

    @Override
    public void run() {
        call("run");
    }

    @Override
    public List<Section> save() {
        call("save");
        return List.of(new Section("all", false, state), new Section("note", true, new byte[] {1}));
    }

    @Override
    public Set<String> sections() {
        return Set.of("all");
    }

    @Override
    public void load(SavedState loaded) {
        call("load");
        state = loaded.section("all");
    }

    @Override
    public DirtyBitmap track(long pageSize, List<DmaRange> ranges) {
        call("track");
        return dirty;
    }

    @Override
    public void untrack() {
        call("untrack");
    }

    private void call(String name) {
        calls.add(name);
        if (name.equals(broken) || name.equals(brokenToo)) {
            throw new VfioException(errno, name + " fails");
        }
    }
}
