"""The report as DICOM objects, one module a form; imported only when one is asked for."""
