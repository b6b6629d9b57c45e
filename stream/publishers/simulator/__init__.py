"""Simulated people: kinematic bodies that meet, talk, shake hands - and sometimes push, punch, kick, chase or fall.

For demos and tests. Nothing measured on simulated people alone says how well real ones are watched.
"""
