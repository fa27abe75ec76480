"""The mesh in a browser: what the five services say over their public REST APIs, as pages.

It knows how to show things and who looks at them. It never knows more than its visitor's own session lets it
ask, keeps no database, and makes nothing up: a panel without an answer says whose answer is missing.
"""
