package vfio.pci.api.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.VfioException;

/**
 * What the host knows of a device, for {@link FakeDevice#withHardwareState}: some parts with any content, but that empty ones and those
 * that begin with 0xff are refused. For one thread.
 */
public final class FakeHardwareState implements HardwareState {
    private final Map<String, byte[]> parts = new TreeMap<>();
    private final List<String> calls = new ArrayList<>();
    private boolean frozen;

    /** Gives it a part, or a part other content. Returns this. */
    public FakeHardwareState with(String part, byte... content) {
        parts.put(part, content);
        return this;
    }

    /** What was called so far: {@code freeze}, {@code thaw} and {@code write}. */
    public List<String> calls() {
        return List.copyOf(calls);
    }

    /** Whether it stands still. */
    public boolean isFrozen() {
        return frozen;
    }

    @Override
    public void freeze() {
        frozen = true;
        calls.add("freeze");
    }

    @Override
    public void thaw() {
        frozen = false;
        calls.add("thaw");
    }

    @Override
    public Set<String> parts() {
        return parts.keySet();
    }

    @Override
    public byte[] read(String part) {
        if (!parts.containsKey(part)) {
            throw new VfioException(Errno.EINVAL, "there is no part " + part);
        }
        return parts.get(part).clone();
    }

    @Override
    public void check(Map<String, byte[]> wanted) {
        if (!wanted.keySet().equals(parts.keySet())) {
            throw new VfioException(Errno.EINVAL, "other parts");
        }
        wanted.forEach((part, content) -> {
            if (content.length == 0 || content[0] == (byte) 0xff) {
                throw new VfioException(Errno.EINVAL, part + " cannot be");
            }
        });
    }

    @Override
    public void write(Map<String, byte[]> wanted) {
        check(wanted);
        if (!frozen) {
            throw new VfioException(Errno.EBUSY, "not frozen");
        }
        calls.add("write");
        parts.putAll(wanted);
    }
}
