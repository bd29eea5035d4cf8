package vfio.pci.api.testing;

/** Whether the client of a {@link FakeDevice} can be made to unmap disablable areas. */
public enum Trapping {
    /** It unmaps them when it is told to; the test says when it has. */
    DYNAMIC,
    /** It cannot be told, or the administrator chose {@code trap=always}: they are trapped from open on. */
    ALWAYS,
    /** The administrator chose {@code trap=never}: they may be mapped for good, requests to trap them are refused. */
    NEVER
}
