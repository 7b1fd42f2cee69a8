"""DICOM, the files of hospitals: parsed and decoded by pydicom, which is imported when the first such file is met."""
