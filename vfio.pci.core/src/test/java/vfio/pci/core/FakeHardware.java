package vfio.pci.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;

/** Answers reads with a constant and writes down what else is done to it. Subclasses misbehave. */
class FakeHardware implements Hardware {
    /** What every byte reads as. */
    static final byte CONTENT = 0x5a;

    /** Everything but reads and writes, in order. */
    final List<String> calls = Collections.synchronizedList(new ArrayList<>());

    final List<RegionInfo> regions = new ArrayList<>(List.of(RegionInfo.mappable(0, 0x10000)));
    final List<InterruptInfo> interrupts = new ArrayList<>();
    int reads;
    int writes;

    /** Hardware with these regions instead of its own. */
    static FakeHardware with(RegionInfo... regions) {
        FakeHardware hardware = new FakeHardware();
        hardware.regions.clear();
        hardware.regions.addAll(List.of(regions));
        return hardware;
    }

    @Override
    public int regionCount() {
        return regions.size();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return regions.get(region);
    }

    @Override
    public void read(RegionAccess access) {
        reads++;
        access.fill(CONTENT);
    }

    @Override
    public void write(RegionAccess access) {
        writes++;
    }

    @Override
    public @Nullable SharedMemory memory(int region) {
        calls.add("memory " + region);
        return null;
    }

    @Override
    public int interruptCount() {
        return interrupts.size();
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        return interrupts.get(index);
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        calls.add("connect " + index + " " + action + " " + start + " " + signals.size());
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        calls.add("act " + index + " " + action + " " + start + " " + count);
    }

    @Override
    public void disable(int index) {
        calls.add("disable " + index);
    }

    @Override
    public void map(DmaMapping mapping) {
        calls.add("map " + mapping);
    }

    @Override
    public void unmap(DmaMapping mapping) {
        calls.add("unmap " + mapping);
    }

    @Override
    public boolean resettable() {
        return true;
    }

    @Override
    public void reset() {
        calls.add("reset");
    }

    @Override
    public void close() {
        calls.add("close");
    }
}
