"""Labels between annotated sections: what is drawn on some sections is filled in on those between.

Identifiers are never blended. Methods see one gap between two annotated sections at a time; nothing here knows files'
formats, windows or commands.
"""
